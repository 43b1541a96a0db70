import { openEngine, type Engine } from '../engine.ts';
import { insertIdle, memoryOver } from '../idle-instances.ts';
import { median, type Measurement, type Row } from '../measurement.ts';

const sizes = [100, 10_000, 50_000];
const rowsPerStatement = 5_000;

/** The time that a change of one instance takes, and the memory of agents_worker, while so many others are at rest. */
export const idleInstances: Measurement = {
  name: 'idle-instances',
  measure: async (bench) => {
    const rows: Row[] = [];
    const engine = await openEngine(bench);
    try {
      const ids: string[] = [];
      for (const size of sizes.filter((each) => each <= bench.largest)) {
        while (ids.length < size) {
          ids.push(...(await insertIdle(engine, Math.min(size - ids.length, rowsPerStatement))).ids);
        }
        const memoryMiB = await memoryOver(engine.pids.agents_worker, 15);
        const latencies: number[] = [];
        for (let round = 0; round < bench.scaled(50, 10); round += 1) {
          // Spread over all, so that most have long left the cache of the worker where it does not hold all of them.
          latencies.push(await change(engine, ids[Math.floor((round * ids.length) / bench.scaled(50, 10))] ?? ''));
        }
        const at = { size, of: 'idle instances' };
        rows.push({ name: 'change of a row → observed', unit: 'ms', better: 'less', value: median(latencies), at });
        rows.push({ name: 'memory of agents_worker', unit: 'MiB', better: 'less', value: memoryMiB, at });
      }
    } finally {
      await engine.close();
    }
    return rows;
  },
};

/** @returns the milliseconds until the workflow has observed a new config */
async function change({ pool, watch }: Engine, id: string): Promise<number> {
  const began = performance.now();
  // The first event says what the row says at once: its generation is not observed yet.
  const isObserved = watch.next(id, ({ isCurrent }) => isCurrent);
  await pool.query(`update instances set config = jsonb_build_object('changed', clock_timestamp()) where id = $1`, [
    id,
  ]);
  await isObserved;
  return performance.now() - began;
}
