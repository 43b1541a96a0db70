import { lifecyclesAt, loads } from '../lifecycles.ts';
import type { Measurement } from '../measurement.ts';

/** The whole path, from the insert of a row to the last event after its deletion. */
export const throughput: Measurement = {
  name: 'throughput',
  measure: async (bench) => {
    const rows = [];
    for (const { inFlight } of loads) {
      if (bench.isQuick && inFlight > 50) continue;
      const { engine, floor } = await lifecyclesAt(bench, inFlight);
      rows.push({
        name: `lifecycles, ${inFlight} in flight`,
        unit: '/s',
        better: 'more' as const,
        value: engine.perSecond,
        floor: { name: 'bare Temporal', value: floor.perSecond },
        goal: { of: 'ratio' as const, atLeast: 1 },
      });
    }
    return rows;
  },
};
