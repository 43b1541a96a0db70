import type { Condition, Wish } from '../../workflows/transitions.ts';
import { allCells, type Cell } from './visits.ts';

const beginnings =
  'Before the first event of the row the step is to wait, so nothing is begun and nothing can have failed.';
const stop =
  'The wish to stop is a generation of its own: an obstacle of the one before is gone, and what runs is older.';
const gone = 'What is left of a row that is gone is obsolete, and only a clean-up can be in the way of its end.';

/** The conditions that each wish can meet. A drain may speak of a generation that is not known yet. */
const reachable: Readonly<Record<Wish, { conditions: readonly Condition[] | 'all'; otherwise: string }>> = {
  unknown: { conditions: ['uncertain'], otherwise: beginnings },
  running: { conditions: 'all', otherwise: '' },
  stopped: {
    conditions: ['obsolete', 'outdated', 'uncertain', 'clean', 'stuck', 'drainedUncertain', 'drained'],
    otherwise: stop,
  },
  gone: { conditions: ['obsolete', 'clean', 'stuck'], otherwise: gone },
};

/** The cells of the table of transitions that no order of events leads to, each with the reason. */
export const unreachableCells: ReadonlyMap<Cell, string> = new Map(
  allCells.flatMap((cell) => {
    const [condition, wish] = cell.split(' × ') as [Condition, Wish];
    const { conditions, otherwise } = reachable[wish];
    return conditions === 'all' || conditions.includes(condition) ? [] : [[cell, otherwise] as const];
  }),
);
