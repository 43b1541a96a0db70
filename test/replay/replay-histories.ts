import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { removeReplayHooks } from '../support/replay-hooks.ts';
import { unheardDecisions } from '../../replay/decision-sinks.ts';
import type { RecordedHistory } from './histories.ts';

/** @returns by the name of each history that was replayed, what differs, or undefined where nothing does */
export async function replayHistories(
  workflowBundle: NonNullable<ReplayWorkerOptions['workflowBundle']>,
  histories: readonly RecordedHistory[],
): Promise<Map<string, string | undefined>> {
  const named = histories.map(({ name, history }) => ({ workflowId: name, history }));
  const results = new Map<string, string | undefined>();
  for await (const { workflowId, error } of Worker.runReplayHistories(
    { workflowBundle, sinks: unheardDecisions },
    named,
  )) {
    results.set(workflowId, error?.message);
  }
  removeReplayHooks();
  return results;
}
