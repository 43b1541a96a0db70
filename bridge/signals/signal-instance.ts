import type { Client } from '@temporalio/client';
import { instanceWorkflowId, instanceWorkflowType } from '../../contracts/names.ts';
import { instanceMessageSignal, type InstanceMessage } from '../../workflows/messages.ts';
import { agentIdAttribute, instanceStatusAttribute, userIdAttribute } from '../../workflows/search-attributes.ts';

export interface Owner {
  agentId: string;
  userId: string;
}

/** Tells the workflow of an instance, which is started when there is none. */
export type SignalInstance = (instanceId: string, message: InstanceMessage, owner?: Owner) => Promise<void>;

const callTimeoutMs = 10_000;

export function createSignalInstance({ client, taskQueue }: { client: Client; taskQueue: string }): SignalInstance {
  return async (instanceId, message, owner) => {
    // A connection that is half open answers nothing.
    await client.withDeadline(Date.now() + callTimeoutMs, () =>
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
      }),
    );
  };
}
