import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { instanceWorkflowId, instanceWorkflowType } from '../../contracts/names.ts';
import { instanceMessageSignal, type InstanceMessage } from '../../workflows/messages.ts';
import { agentIdAttribute, instanceStatusAttribute, userIdAttribute } from '../../workflows/search-attributes.ts';
import { countSignal } from '../../metrics/signals.ts';
import { inSpan } from '../../tracing/trace.ts';
import { kindOfRefusal } from './temporal-refusal.ts';

/** Agent and user of an instance, which a new workflow shows as search attributes. */
export interface Owner {
  agentId: string;
  userId: string;
}

export type InstanceWorkflows = ReturnType<typeof createInstanceWorkflows>;

/** Time limit of one call: a half-open connection never answers. */
const callTimeoutMs = 10_000;

/** Signals, starts and lists the workflows of instances on the task queue of an engine. */
export function createInstanceWorkflows({ client, taskQueue }: { client: Client; taskQueue: string }) {
  const workflows = {
    signal: (instanceId: string, message: InstanceMessage): Promise<boolean> =>
      signalInstance(client, instanceId, message),

    /** Signals the workflow of an instance, and starts the workflow first if none is running. */
    signalOrStart: async (instanceId: string, message: InstanceMessage, owner?: Owner): Promise<void> => {
      const send = () =>
        client.workflow.signalWithStart(instanceWorkflowType, {
          workflowId: instanceWorkflowId(instanceId),
          taskQueue,
          args: [{ instanceId }],
          signal: instanceMessageSignal,
          signalArgs: [message],
          ...(owner && {
            staticSummary: `Instance of agent ${owner.agentId} for user ${owner.userId}`,
            typedSearchAttributes: [
              { key: instanceStatusAttribute, value: 'pending' },
              { key: agentIdAttribute, value: owner.agentId },
              { key: userIdAttribute, value: owner.userId },
            ],
          }),
        });
      await inSpan(
        () => ({ name: `signal ${message.type}`, kind: 'CLIENT' }),
        () => countSignal(message.type, () => client.withDeadline(Date.now() + callTimeoutMs, send)),
      );
    },

    /**
     * The same for a caller that tells the workflow again as long as it has not acted. A run that takes no more signals at the moment is
     * left out, so that it does not keep other workflows from theirs.
     */
    remind: async (instanceId: string, message: InstanceMessage, owner?: Owner): Promise<void> => {
      try {
        await workflows.signalOrStart(instanceId, message, owner);
      } catch (error) {
        if (kindOfRefusal(error) !== 'run') throw error;
      }
    },

    async *listRunning(this: void): AsyncGenerator<string> {
      const query = `WorkflowType = '${instanceWorkflowType}' and ExecutionStatus = 'Running' and TaskQueue = '${taskQueue}'`;
      for await (const { workflowId } of client.workflow.list({ query })) {
        yield workflowId.slice(instanceWorkflowId('').length);
      }
    },
  };
  return workflows;
}

/** Signals the running workflow of an instance. @returns whether there is one */
export async function signalInstance(client: Client, instanceId: string, message: InstanceMessage): Promise<boolean> {
  return countSignal(message.type, async () => {
    try {
      await instanceWorkflow(client, instanceId).signal(instanceMessageSignal, message);
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  });
}

/** Asks for another try of a failed instance. @returns whether there is a workflow to ask; the sweeper starts a missing one */
export function requestRetry(client: Client, instanceId: string): Promise<boolean> {
  return signalInstance(client, instanceId, { type: 'retryRequested', requestId: randomUUID() });
}

/** The workflow of an instance: its latest run, unless a run is named. */
export function instanceWorkflow(client: Client, instanceId: string, runId?: string): WorkflowHandle {
  return client.workflow.getHandle(instanceWorkflowId(instanceId), runId);
}

/**
 * Ids of the runs of an instance's workflow, the latest first, at most `maxRuns`.
 *
 * @param latest the latest run, which Temporal's list may lack for a moment
 */
export async function listRuns(client: Client, instanceId: string, latest: string): Promise<string[]> {
  const runs: { runId: string; startTime: Date }[] = [];
  for await (const run of client.workflow.list({ query: `WorkflowId = '${instanceWorkflowId(instanceId)}'` })) {
    if (run.runId !== latest) runs.push(run);
    if (runs.length >= maxRuns) break;
  }
  runs.sort((one, other) => other.startTime.getTime() - one.startTime.getTime());
  return [latest, ...runs.map(({ runId }) => runId)];
}

const maxRuns = 100;
