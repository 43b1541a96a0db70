import type { Condition, Wish } from '../../workflows/transitions.ts';
import { allCells, type Cell } from './visits.ts';

const beginnings =
  'Before the first event of the row the step is to wait, so nothing is begun and nothing can have failed.';
const clearedByGone = 'The end of the row takes the obstacle away, and none is set while there is no row.';
const noGeneration = 'A row that is gone has no generation that what runs could be older than.';

const conditionsWithObstacle: readonly Condition[] = [
  'failedUncertain',
  'failed',
  'awaitingAgentUncertain',
  'awaitingAgent',
  'restarting',
  'drainedUncertain',
  'drained',
];

/** The cells of the table of transitions that no order of events leads to, each with the reason. */
export const unreachableCells: ReadonlyMap<Cell, string> = new Map(
  allCells.flatMap((cell) => {
    const reason = reasonOf(...(cell.split(' × ') as [Condition, Wish]));
    return reason === undefined ? [] : [[cell, reason] as const];
  }),
);

function reasonOf(condition: Condition, wish: Wish): string | undefined {
  if (wish === 'unknown') return condition === 'uncertain' ? undefined : beginnings;
  if (wish !== 'gone') return undefined;
  if (condition === 'outdated') return noGeneration;
  return conditionsWithObstacle.includes(condition) ? clearedByGone : undefined;
}
