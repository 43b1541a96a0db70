import type { RowVersion } from './event-log.ts';
import { valueOf, type Findings } from './findings.ts';
import { stuck, waiting, type Verdict, type VerdictOptions } from './verdict-form.ts';

/** An event normally arrives within this time. Before it has passed, no verdict blames event_broker. */
const patienceMs = 3_000;

/** The verdict when something keeps the latest change of the row from the workflow. */
export function onTheWay(
  log: RowVersion[],
  { deadLetters }: Findings,
  { now, formatTime }: VerdictOptions,
): Verdict | undefined {
  const latest = log.findLast(concernsWorkflow);
  if (latest?.rejected_reason) {
    return stuck(
      `#${latest.sequence} never reached the bus (${latest.rejected_reason}): change the row again, or delete it.`,
    );
  }
  const unpublished = log.find(
    ({ published_at, rejected_reason }) => published_at === null && rejected_reason === null,
  );
  if (unpublished && now.getTime() - unpublished.occurred_at.getTime() > patienceMs) {
    const { sequence, occurred_at: since } = unpublished;
    return waiting(
      `event_broker, which has not published #${sequence} since ${formatTime(since)}: see that it runs and reaches RabbitMQ.`,
    );
  }
  const dead = valueOf(deadLetters)?.letters.find(
    ({ queue, sequence }) =>
      queue.startsWith('agents_worker.') && sequence !== undefined && sequence === latest?.sequence,
  );
  return (
    dead &&
    stuck(`agents_worker could not take in #${dead.sequence} (${dead.reason}): change the row again, or delete it.`)
  );
}

/** Whether the workflow has to act on this version. It ignores the versions that only record its own status. */
function concernsWorkflow({ change, row }: RowVersion): boolean {
  return change !== 'update' || row.generation > row.observed_generation;
}
