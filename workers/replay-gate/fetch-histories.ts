import { isGrpcServiceError, type Client, type WorkflowHandle } from '@temporalio/client';
import { pMapIterable, pMapSkip } from 'p-map';

/** One run of a workflow, as visibility lists it. */
export interface Run {
  workflowId: string;
  runId: string;
}

export interface FetchedHistory extends Run {
  history: Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
}

export interface FetchHistoriesOptions {
  client: Client;
  runs: AsyncIterable<Run> | Iterable<Run>;
  /** How many are fetched, or wait to be taken, at the same time: the bound on memory. */
  concurrency: number;
  /** The run was deleted, or its retention ended, after it was listed. */
  onVanished: (run: Run) => void;
}

/** The histories of these runs, in their order, without those that have vanished meanwhile. */
export function fetchHistories({ client, runs, concurrency, onVanished }: FetchHistoriesOptions) {
  return pMapIterable<Run, FetchedHistory>(
    runs,
    async ({ workflowId, runId }) => {
      try {
        const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
        return { workflowId, runId, history };
      } catch (error) {
        if (!isGrpcServiceError(error) || error.code !== grpcNotFound) throw error;
        onVanished({ workflowId, runId });
        return pMapSkip;
      }
    },
    { concurrency },
  );
}

const grpcNotFound = 5;
