import { openOwnLog } from '../own-log.ts';
import type { Measurement, Row } from '../measurement.ts';

const sizes = [10_000, 100_000, 1_000_000];

/** How fast event_broker publishes further entries of a log that holds so many published ones. */
export const log: Measurement = {
  name: 'log',
  measure: async (bench) => {
    const rows: Row[] = [];
    const own = await openOwnLog(bench);
    try {
      const count = bench.scaled(40_000, 4_000);
      let inLog = 0;
      for (const size of sizes.filter((each) => each <= bench.largest)) {
        if (inLog < size) await own.drain(size - inLog);
        const floor = { name: 'raw confirmed publish, window 200', value: await own.floor(count) };
        const value = await own.drain(count);
        inLog = Math.max(inLog, size) + count;
        const at = { size, of: 'entries in the log' };
        rows.push({ name: 'drained entries of the log', unit: '/s', better: 'more', value, floor, at });
      }
    } finally {
      await own.close();
    }
    return rows;
  },
};
