import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { describeTemporalError, grpcCodes, grpcErrorOf } from '../signals/temporal-refusal.ts';
import type { OpenRun } from './open-runs.ts';

/**
 * - `answered`: the build to which the run is routed carries it on.
 * - `gone`: the run is not open any more.
 * - `underWay`: the run is in the middle of a step, and is not asked.
 * - `silent`: neither an answer nor a failure. No worker polls, or all are busy.
 * - `failed`: the code of the build cannot carry the run on.
 */
export type ProbeResult =
  | { outcome: 'answered' | 'gone' | 'underWay' | 'silent' }
  | { outcome: 'failed'; by: 'task' | 'probe'; message: string };

const answerMs = 10_000;
/** A value of `PendingWorkflowTaskState` in Temporal's API. */
const started = 2;
/** A value of `WorkflowTaskFailedCause` in Temporal's API. */
const reset = 20;
/** A value of `QueryRejectCondition` in Temporal's API. */
const rejectedUnlessOpen = 2;
/** Every workflow of the SDK answers it. */
const queryType = '__temporal_workflow_metadata';

/**
 * Asks a run at rest a question, which the worker of the build answers by replaying its history. The history stays as it is. A run whose
 * workflow task fails cannot be asked, so that its failure is read instead.
 *
 * A run in the middle of a step is not asked: where the step ends while the question waits for a worker, the SDK (1.24) lets the workflow
 * hear of it before the signals that came since, and a replay lets it hear of them at once. Nobody could replay the run then.
 */
export async function probeRun(client: Client, { workflowId }: Pick<OpenRun, 'workflowId'>): Promise<ProbeResult> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    const { raw, status } = await client.withDeadline(Date.now() + answerMs, () => handle.describe());
    if (status.name !== 'RUNNING') return { outcome: 'gone' };
    const { pendingWorkflowTask: task } = raw;
    if (task) {
      const result = await readFailure(client, workflowId, task.attempt ?? 0);
      if (result.outcome !== 'silent') return result;
      // The server keeps a question for a task that waits, so that the worker gets both together.
      return task.state === started ? { outcome: 'underWay' } : ask(client, workflowId);
    }
    if ((raw.pendingActivities ?? []).length > 0) return { outcome: 'underWay' };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { outcome: 'gone' };
    if (isLasting(error)) throw error;
    return { outcome: 'silent' };
  }
  return ask(client, workflowId);
}

async function ask(client: Client, workflowId: string): Promise<ProbeResult> {
  try {
    const answer = await client.withDeadline(Date.now() + answerMs, () =>
      client.workflowService.queryWorkflow({
        namespace: client.options.namespace,
        execution: { workflowId },
        query: { queryType },
        queryRejectCondition: rejectedUnlessOpen,
      }),
    );
    return { outcome: answer.queryRejected ? 'gone' : 'answered' };
  } catch (error) {
    if (isLasting(error)) throw error;
    const { code } = grpcErrorOf(error) ?? {};
    if (code === grpcCodes.notFound) return { outcome: 'gone' };
    // The answer of the worker.
    if (code === grpcCodes.invalidArgument) {
      return { outcome: 'failed', by: 'probe', message: describeTemporalError(error) };
    }
    const handle = client.workflow.getHandle(workflowId);
    const { raw } = await client.withDeadline(Date.now() + answerMs, () => handle.describe());
    return readFailure(client, workflowId, raw.pendingWorkflowTask?.attempt ?? 0);
  }
}

/** Whether no later probe would fare better. */
function isLasting(error: unknown): boolean {
  const { code } = grpcErrorOf(error) ?? {};
  const lasting: unknown[] = [
    grpcCodes.permissionDenied,
    grpcCodes.unauthenticated,
    grpcCodes.unimplemented,
    undefined,
  ];
  return lasting.includes(code);
}

/** @param attempt of the workflow task that waits or is at work; 0: there is none */
async function readFailure(client: Client, workflowId: string, attempt: number): Promise<ProbeResult> {
  if (attempt <= 1) return { outcome: 'silent' };
  const { events } = await client.workflowService
    .getWorkflowExecutionHistoryReverse({
      namespace: client.options.namespace,
      execution: { workflowId },
      maximumPageSize: 5,
    })
    .then(({ history }) => history ?? { events: [] });
  // A reset begins with a failure of its own.
  const failed = events?.find(({ workflowTaskFailedEventAttributes: found }) => found && found.cause !== reset);
  const timedOut = events?.some(({ workflowTaskTimedOutEventAttributes: found }) => found);
  // A worker of a busy host may be late once.
  if (timedOut && !failed && attempt <= 2) return { outcome: 'silent' };
  const message = timedOut ? 'Its workflow task timed out.' : 'Its workflow task fails.';
  return {
    outcome: 'failed',
    by: 'task',
    message: failed?.workflowTaskFailedEventAttributes?.failure?.message ?? message,
  };
}
