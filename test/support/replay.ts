import type { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { inject } from 'vitest';
import { checkReplay, type ReplayFailure } from '../../replay/check-replay.ts';
import type { Run } from '../../replay/fetch-histories.ts';
import { removeReplayHooks } from './replay-hooks.ts';

/**
 * Replays every run of a task queue, ended or not, and fails where the workflow code would not repeat one.
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
  // The SDK ends its native runtime when the last that uses it leaves. That may be a worker that a test stopped waiting for, and it
  // may leave in the middle of this replay.
  const user = await NativeConnection.connect({ address: (client.connection as Connection).options.address });
  try {
    return await replayRuns(client, client.workflow.list({ query: `TaskQueue = '${taskQueue}'` }), workflowBundle);
  } finally {
    await user.close();
  }
}

/** The same for given runs: the time-skipping server cannot list. */
export async function replayRuns(
  client: Client,
  runs: AsyncIterable<Run> | Iterable<Run>,
  workflowBundle: string = inject('workflowBundle'),
): Promise<number> {
  const failures: ReplayFailure[] = [];
  const { replayed } = await checkReplay({
    client,
    workflowBundle: { codePath: workflowBundle },
    runs,
    onFailure: (failure) => failures.push(failure),
  }).finally(removeReplayHooks);
  if (failures.length === 0) return replayed;
  const lines = failures.map(({ workflowId, runId, message }) => `- run ${runId} of ${workflowId}: ${message}`);
  throw new Error(`${failures.length} of the workflows that were started do not replay:\n${lines.join('\n')}`);
}
