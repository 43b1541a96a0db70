import type { Client } from '@temporalio/client';
import { rolloutWorkflowId, rolloutWorkflowType } from '../../contracts/names.ts';
import { rolloutChangedSignal } from '../../workflows/rollouts/messages.ts';
import { agentIdAttribute } from '../../workflows/search-attributes.ts';

export type RolloutWorkflows = ReturnType<typeof createRolloutWorkflows>;

/** Time limit of one call: a half-open connection never answers. */
const callTimeoutMs = 10_000;

/** Signals, starts and lists the workflows that drive the rollouts of agents, on the task queue of an engine. */
export function createRolloutWorkflows({ client, taskQueue }: { client: Client; taskQueue: string }) {
  return {
    /** Signals the workflow of an agent's rollouts, and starts the workflow first if none is running. */
    signalOrStart: async (agentId: string): Promise<void> => {
      await client.withDeadline(Date.now() + callTimeoutMs, () =>
        client.workflow.signalWithStart(rolloutWorkflowType, {
          workflowId: rolloutWorkflowId(agentId),
          taskQueue,
          args: [{ agentId }],
          signal: rolloutChangedSignal,
          signalArgs: [],
          staticSummary: `Rollouts of agent ${agentId}`,
          typedSearchAttributes: [{ key: agentIdAttribute, value: agentId }],
        }),
      );
    },

    /** Ids of the agents whose rollouts have a running workflow. */
    async *listRunning(this: void): AsyncGenerator<string> {
      const query = `WorkflowType = '${rolloutWorkflowType}' and ExecutionStatus = 'Running' and TaskQueue = '${taskQueue}'`;
      for await (const { workflowId } of client.workflow.list({ query })) {
        yield workflowId.slice(rolloutWorkflowId('').length);
      }
    },
  };
}
