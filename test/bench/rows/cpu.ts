import { lifecyclesAt } from '../lifecycles.ts';
import type { Goal, Measurement, Row } from '../measurement.ts';

/** CPU time per lifecycle at 50 in flight, by process. */
export const cpu: Measurement = {
  name: 'cpu',
  measure: async (bench) => {
    const { engine, floor } = await lifecyclesAt(bench, 50);
    const { cpu: spent } = engine;
    if (!spent || !floor.cpu) {
      bench.say('The rows of CPU time are left out, because this system has no /proc.');
      return [];
    }
    const rowOf = (name: keyof typeof spent, more: Pick<Row, 'floor' | 'goal'> = {}): Row => ({
      name: `CPU of ${name} per lifecycle`,
      unit: 'ms',
      better: 'less',
      value: spent[name],
      ...more,
    });
    const atMost = (ms: number): Goal => ({ of: 'value', atMost: ms });
    return [
      rowOf('agents_worker', {
        floor: { name: 'bare client and worker', value: floor.cpu['client and worker'] },
        goal: atMost(20),
      }),
      rowOf('Temporal', { floor: { name: 'bare Temporal', value: floor.cpu.Temporal }, goal: atMost(30) }),
      ...(['event_broker', 'PostgreSQL', 'RabbitMQ', 'agents'] as const).map((name) => rowOf(name)),
    ];
  },
};
