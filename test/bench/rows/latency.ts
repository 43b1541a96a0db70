import { busFloor } from '../floors.ts';
import { lifecyclesAt, lifecyclesOneByOne } from '../lifecycles.ts';
import { median, type Measurement } from '../measurement.ts';

/** From the insert of a row to `running` on the bus. */
export const latency: Measurement = {
  name: 'latency',
  measure: async (bench) => {
    const alone = await lifecyclesOneByOne(bench);
    const hopMs = median(await busFloor(bench.amqpUrl, bench.scaled(50, 10)));
    const busy = await lifecyclesAt(bench, 50);
    return [
      {
        name: 'insert → running, one at a time',
        unit: 'ms',
        better: 'less',
        value: median(alone.engine.toRunningMs),
        floor: {
          name: 'bare Temporal and two hops over a quorum queue',
          value: median(alone.floor.toRunningMs) + 2 * hopMs,
        },
        goal: { of: 'value', atMost: 45 },
      },
      {
        name: 'insert → running, 50 in flight',
        unit: 'ms',
        better: 'less',
        value: median(busy.engine.toRunningMs),
        floor: { name: 'bare Temporal', value: median(busy.floor.toRunningMs) },
        goal: { of: 'value', atMost: 500 },
      },
    ];
  },
};
