import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { EventMetadata } from '../contracts/envelope.ts';
import { instanceWorkflowId, instanceWorkflowType } from '../contracts/names.ts';
import { instanceMessageSignal, type Cause, type RowChanged, type RowDeleted } from '../workflows/messages.ts';
import { agentIdAttribute, instanceStatusAttribute, userIdAttribute } from '../workflows/search-attributes.ts';
import type { IncomingEvent } from './incoming-event.ts';
import { untilAccepted } from './until-accepted.ts';

export interface InstanceRouterOptions {
  client: Client;
  taskQueue: string;
  logger: Logger;
}

const callTimeoutMs = 10_000;

/**
 * From an event to its workflow. Resolves once Temporal has accepted the signal, or at once when the event has nothing
 * to say to a workflow.
 */
export function createInstanceRouter({ client, taskQueue, logger }: InstanceRouterOptions) {
  return async (event: IncomingEvent, signal: AbortSignal): Promise<void> => {
    const message = toMessage(event);
    if (!message) return;
    const { metadata } = event;
    await untilAccepted({
      // A connection that is half open answers nothing.
      call: () =>
        client.withDeadline(Date.now() + callTimeoutMs, () =>
          client.workflow.signalWithStart(instanceWorkflowType, {
            workflowId: instanceWorkflowId(metadata.subject),
            taskQueue,
            args: [{ instanceId: metadata.subject }],
            signal: instanceMessageSignal,
            signalArgs: [message],
            ...startDetails(metadata),
          }),
        ),
      about: { instanceId: metadata.subject, eventId: metadata.id },
      logger,
      signal,
    });
  };
}

/** Undefined when there is nothing new: agent events, and the echo of a status that the workflow itself recorded. */
export function toMessage({ type, metadata }: IncomingEvent): RowChanged | RowDeleted | undefined {
  const { instance, sequence } = metadata;
  if (!instance) return undefined;
  const cause: Cause = {
    eventId: metadata.id,
    correlationId: metadata.correlationId,
    traceparent: metadata.traceparent,
  };
  if (type === 'instance.deleted') return { type: 'rowDeleted', sequence, cause };
  if (instance.generation <= instance.observedGeneration) return undefined;
  const { generation, desiredState } = instance;
  return { type: 'rowChanged', sequence, generation, desiredState, cause };
}

function startDetails({ instance }: EventMetadata) {
  if (!instance) return {};
  const { agentId, userId } = instance;
  return {
    staticSummary: `Instance of agent ${agentId} for user ${userId}`,
    typedSearchAttributes: [
      { key: instanceStatusAttribute, value: 'pending' },
      { key: agentIdAttribute, value: agentId },
      { key: userIdAttribute, value: userId },
    ],
  };
}
