import { settleInOneStatement } from '../idle-instances.ts';
import type { Measurement } from '../measurement.ts';

/** What agents_worker needs while instances with open workflows do nothing. */
export const memory: Measurement = {
  name: 'memory',
  measure: async (bench) => {
    const { count, memoryMiB } = await settleInOneStatement(bench);
    return [
      {
        name: `memory of agents_worker, ${count} idle instances`,
        unit: 'MiB',
        better: 'less',
        value: memoryMiB,
        goal: { of: 'value', atMost: 350 },
      },
    ];
  },
};
