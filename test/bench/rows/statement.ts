import { settleInOneStatement, settleOnBareTemporal } from '../idle-instances.ts';
import type { Measurement } from '../measurement.ts';

/** Rows that one statement inserts, until all are settled. */
export const statement: Measurement = {
  name: 'statement',
  measure: async (bench) => {
    const { count, seconds } = await settleInOneStatement(bench);
    const floor = await settleOnBareTemporal(bench);
    return [
      {
        name: `${count} rows in one statement, all settled`,
        unit: '/s',
        better: 'more',
        value: count / seconds,
        floor: { name: 'bare Temporal, 200 in flight', value: floor.count / floor.seconds },
        goal: { of: 'value', atLeast: 100 },
      },
    ];
  },
};
