import { isGrpcServiceError, type Client, type WorkflowHandle } from '@temporalio/client';
import { pMapIterable, pMapSkip } from 'p-map';

/** One run of a workflow, as Temporal's visibility lists it. */
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
  /** Largest number of histories that are being fetched or wait to be replayed, which bounds the memory. */
  concurrency: number;
  /** Called when a listed run was deleted or its retention has ended. */
  onVanished: (run: Run) => void;
}

/** Fetches the histories of the runs in their order, without the runs that have disappeared meanwhile. */
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
