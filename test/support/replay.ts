import type { Client, HistoryAndWorkflowId } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { inject } from 'vitest';

export interface Run {
  workflowId: string;
  runId: string;
}

/**
 * Replays every run of a task queue, ended or not, and fails on the first that the workflow code would not repeat.
 * Lists them by visibility, which learns of a run a moment after it began.
 *
 * @param workflowBundle path of the bundled workflow code
 * @returns how many were replayed
 */
export async function replayAll(
  client: Client,
  taskQueue: string,
  workflowBundle: string = inject('workflowBundle'),
): Promise<number> {
  return replay(client.workflow.list({ query: `TaskQueue = '${taskQueue}'` }).intoHistories(), workflowBundle);
}

/** The same for given runs and those that they continued as: the time-skipping server cannot list. */
export async function replayRuns(
  client: Client,
  runs: Iterable<Run>,
  workflowBundle: string = inject('workflowBundle'),
): Promise<number> {
  return replay(fetchHistories(client, runs), workflowBundle);
}

async function replay(histories: AsyncIterable<HistoryAndWorkflowId>, codePath: string): Promise<number> {
  let replayed = 0;
  for await (const { workflowId, runId, error } of Worker.runReplayHistories(
    { workflowBundle: { codePath } },
    histories,
  )) {
    if (error) throw new Error(`run ${runId} of ${workflowId} does not replay: ${error.message}`, { cause: error });
    replayed += 1;
  }
  return replayed;
}

/** Of the given runs and of those that they continued as. */
async function* fetchHistories(client: Client, runs: Iterable<Run>): AsyncGenerator<HistoryAndWorkflowId> {
  const fetched = new Set<string>();
  for (const { workflowId, runId } of runs) {
    for (let next: string | null | undefined = runId; next && !fetched.has(next);) {
      fetched.add(next);
      const history = await client.workflow.getHandle(workflowId, next).fetchHistory();
      yield { workflowId, history };
      next = history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
    }
  }
}
