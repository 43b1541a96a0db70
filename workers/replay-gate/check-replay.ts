import type { Client } from '@temporalio/client';
import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { fetchHistories, type FetchedHistory, type Run } from './fetch-histories.ts';

/** How many runs came to which end. */
export interface ReplayCounts {
  /** The workflow code repeats their histories. */
  replayed: number;
  failed: number;
  /** No workflow task of theirs was completed yet: there is nothing to repeat. */
  notBegun: number;
  /** Gone between being listed and being fetched. */
  vanished: number;
}

export interface ReplayFailure extends Run {
  /** What differs, in the words of Temporal's SDK. */
  message: string;
}

export interface CheckReplayOptions {
  client: Client;
  workflowBundle: NonNullable<ReplayWorkerOptions['workflowBundle']>;
  runs: AsyncIterable<Run> | Iterable<Run>;
  concurrency?: number;
  onFailure: (failure: ReplayFailure) => void;
  onProgress?: (counts: Readonly<ReplayCounts>) => void;
}

/**
 * Replays runs, ended or not, one after the other while the next are fetched; at most `concurrency` (8) histories are in
 * memory at a time.
 *
 * @throws what the server answers when a history cannot be had though it is there
 */
export async function checkReplay(options: CheckReplayOptions): Promise<ReplayCounts> {
  const { client, workflowBundle, runs, concurrency = 8, onFailure, onProgress } = options;
  const counts: ReplayCounts = { replayed: 0, failed: 0, notBegun: 0, vanished: 0 };
  const count = (kind: keyof ReplayCounts): void => {
    counts[kind] += 1;
    onProgress?.(counts);
  };
  const histories = fetchHistories({ client, runs, concurrency, onVanished: () => count('vanished') });

  // Replay takes a history, answers, and only then takes the next one: the answer is about the one taken last.
  let taken: Run = { workflowId: '', runId: '' };
  const begun = async function* (): AsyncGenerator<FetchedHistory> {
    for await (const fetched of histories) {
      taken = fetched;
      if (hasBegun(fetched)) yield fetched;
      else count('notBegun');
    }
  };
  for await (const { error } of Worker.runReplayHistories({ workflowBundle }, begun())) {
    const { workflowId, runId } = taken;
    if (error) onFailure({ workflowId, runId, message: error.message });
    count(error ? 'failed' : 'replayed');
  }
  return counts;
}

function hasBegun({ history }: FetchedHistory): boolean {
  return history.events?.some((event) => event.workflowTaskCompletedEventAttributes) ?? false;
}
