import type { Condition, KnownDesiredState } from '../../workflows/transitions.ts';
import { allCells, type Cell } from './visits.ts';

const beginnings =
  'Before the first event of the row the workflow waits, so it has started nothing and nothing can have failed.';
const stop =
  'To stop is a generation of its own: it clears the obstacle of the generation before, and the agent that runs is older.';
const gone = 'The agent of a deleted row is obsolete, and only its clean-up can hold up the end of the workflow.';

/** The conditions that are possible with each desired state. A drain may name a generation that the workflow does not know yet. */
const reachable: Readonly<Record<KnownDesiredState, { conditions: readonly Condition[] | 'all'; otherwise: string }>> =
  {
    unknown: { conditions: ['uncertain', 'astray'], otherwise: beginnings },
    running: { conditions: 'all', otherwise: '' },
    stopped: {
      conditions: [
        'hostLost',
        'astray',
        'obsolete',
        'outdated',
        'uncertain',
        'clean',
        'stuck',
        'drainedUncertain',
        'drained',
      ],
      otherwise: stop,
    },
    gone: { conditions: ['hostLost', 'astray', 'obsolete', 'clean', 'stuck'], otherwise: gone },
  };

/** The cells of the table of transitions that no order of events reaches, each with the reason. */
export const unreachableCells: ReadonlyMap<Cell, string> = new Map(
  allCells.flatMap((cell) => {
    const [condition, desiredState] = cell.split(' × ') as [Condition, KnownDesiredState];
    const { conditions, otherwise } = reachable[desiredState];
    return conditions === 'all' || conditions.includes(condition) ? [] : [[cell, otherwise] as const];
  }),
);
