import type { Client } from '@temporalio/client';
import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { unheardDecisions } from './decision-sinks.ts';
import { fetchHistories, type FetchedHistory, type Run } from './fetch-histories.ts';

/** Numbers of runs by result. */
export interface ReplayCounts {
  /** The workflow code reproduces the history. */
  replayed: number;
  failed: number;
  /** No workflow task was completed yet, so there is nothing to replay. */
  notBegun: number;
  /** The run disappeared between its listing and the fetch of its history. */
  vanished: number;
}

export interface ReplayFailure extends Run {
  /** The difference in the words of Temporal's SDK. */
  message: string;
}

export interface CheckReplayOptions {
  client: Client;
  workflowBundle: NonNullable<ReplayWorkerOptions['workflowBundle']>;
  runs: AsyncIterable<Run> | Iterable<Run>;
  concurrency?: number;
  /** Further options of the worker that replays. By default, nobody hears what the workflow code decides. */
  worker?: Pick<ReplayWorkerOptions, 'sinks'>;
  onReplayed?: (fetched: FetchedHistory) => void;
  onFailure: (failure: ReplayFailure) => void;
  onProgress?: (counts: Readonly<ReplayCounts>) => void;
}

/**
 * Replays open and closed runs one by one while the next histories are fetched. At most `concurrency` (default 8) histories are in
 * memory at a time.
 *
 * @throws the server's error when an existing history cannot be fetched
 */
export async function checkReplay(options: CheckReplayOptions): Promise<ReplayCounts> {
  const { client, workflowBundle, runs, concurrency = 8, worker, onReplayed, onFailure, onProgress } = options;
  const counts: ReplayCounts = { replayed: 0, failed: 0, notBegun: 0, vanished: 0 };
  const count = (kind: keyof ReplayCounts): void => {
    counts[kind] += 1;
    onProgress?.(counts);
  };
  const histories = fetchHistories({ client, runs, concurrency, onVanished: () => count('vanished') });

  // The SDK yields the result of a history before it takes the next one, so a result belongs to the history taken last.
  let taken: FetchedHistory = { workflowId: '', runId: '', history: {} };
  const begun = async function* (): AsyncGenerator<FetchedHistory> {
    for await (const fetched of histories) {
      taken = fetched;
      if (hasBegun(fetched)) yield fetched;
      else count('notBegun');
    }
  };
  for await (const { error } of Worker.runReplayHistories(
    { sinks: unheardDecisions, ...worker, workflowBundle },
    begun(),
  )) {
    const { workflowId, runId } = taken;
    if (error) onFailure({ workflowId, runId, message: error.message });
    else onReplayed?.(taken);
    count(error ? 'failed' : 'replayed');
  }
  return counts;
}

function hasBegun({ history }: FetchedHistory): boolean {
  return history.events?.some((event) => event.workflowTaskCompletedEventAttributes) ?? false;
}
