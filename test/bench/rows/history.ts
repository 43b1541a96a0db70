import { randomUUID } from 'node:crypto';
import { instanceWorkflowId } from '../../../contracts/names.ts';
import { sharedEngine } from '../engine.ts';
import { median, type Measurement } from '../measurement.ts';

/** The events that one lifecycle leaves in the history of its workflow. */
export const history: Measurement = {
  name: 'history',
  measure: async (bench) => {
    const engine = await sharedEngine(bench);
    const lengths: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const id = randomUUID();
      await engine.begin(id);
      await engine.end(id);
      const handle = bench.temporal.workflow.getHandle(instanceWorkflowId(id));
      await handle.result();
      const { events } = await handle.fetchHistory();
      lengths.push(events?.length ?? NaN);
    }
    return [
      {
        name: 'events in the history of a lifecycle',
        unit: '',
        better: 'less',
        value: median(lengths),
        goal: { of: 'value', atMost: 16 },
      },
    ];
  },
};
