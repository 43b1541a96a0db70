import { openOwnLog } from '../own-log.ts';
import type { Measurement } from '../measurement.ts';

/** How fast event_broker publishes entries that wait in the log. */
export const drain: Measurement = {
  name: 'drain',
  measure: async (bench) => {
    const log = await openOwnLog(bench);
    try {
      const count = bench.scaled(40_000, 4_000);
      const floor = { name: 'raw confirmed publish, window 200', value: await log.floor(count) };
      const value = await log.drain(count);
      const goal = { of: 'ratio' as const, atLeast: 0.6 };
      return [{ name: 'drained entries of the log', unit: '/s', better: 'more', value, floor, goal }];
    } finally {
      await log.close();
    }
  },
};
