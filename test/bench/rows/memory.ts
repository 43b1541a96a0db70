import { settleInOneStatement, settleOnBareTemporal } from '../idle-instances.ts';
import type { Measurement } from '../measurement.ts';

/** What agents_worker needs while instances with open workflows do nothing. */
export const memory: Measurement = {
  name: 'memory',
  measure: async (bench) => {
    const { count, memoryMiB } = await settleInOneStatement(bench);
    const floor = await settleOnBareTemporal(bench);
    return [
      {
        name: `memory of agents_worker, ${count} idle instances`,
        unit: 'MiB',
        better: 'less',
        value: memoryMiB,
        floor: { name: 'bare client and worker', value: floor.memoryMiB },
        goal: { of: 'value', atMost: 350 },
      },
    ];
  },
};
