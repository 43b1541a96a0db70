import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError, type Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { EventMetadata } from '../contracts/envelope.ts';
import { instanceWorkflowId, instanceWorkflowType } from '../contracts/names.ts';
import { instanceMessageSignal, type Cause, type RowChanged, type RowDeleted } from '../workflows/messages.ts';
import { agentIdAttribute, instanceStatusAttribute, userIdAttribute } from '../workflows/search-attributes.ts';
import { ContractViolation, type IncomingEvent } from './incoming-event.ts';
import { describe } from './supervise.ts';

export interface InstanceRouterOptions {
  client: Client;
  taskQueue: string;
  logger: Logger;
  /** Doubled up to `maxRetryMs`. */
  firstRetryMs?: number;
  maxRetryMs?: number;
}

/**
 * From an event to its workflow. Resolves once Temporal has accepted the signal, or at once when the event has nothing
 * to say to a workflow.
 */
export function createInstanceRouter(options: InstanceRouterOptions) {
  const { client, taskQueue, logger, firstRetryMs = 100, maxRetryMs = 10_000 } = options;

  return async (event: IncomingEvent, signal: AbortSignal): Promise<void> => {
    const message = toMessage(event);
    if (!message) return;
    const { metadata } = event;
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(retryMs * 2, maxRetryMs)) {
      try {
        await client.workflow.signalWithStart(instanceWorkflowType, {
          workflowId: instanceWorkflowId(metadata.subject),
          taskQueue,
          args: [{ instanceId: metadata.subject }],
          signal: instanceMessageSignal,
          signalArgs: [message],
          ...startDetails(metadata),
        });
        return;
      } catch (error) {
        if (isRefusedForGood(error)) throw new ContractViolation(`Temporal refuses it: ${describe(error)}`, { cause: error }); // prettier-ignore
        logger.warn(
          { instanceId: metadata.subject, eventId: metadata.id, retryInMs: retryMs, error: describeGrpc(error) },
          'Temporal did not accept a signal; trying again',
        );
        await delay(retryMs, undefined, { signal });
      }
    }
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

const invalidArgument = 3;

/**
 * Only an invalid argument is the message's own fault; but Temporal says the same when a run has had too many signals,
 * which the next run will not have.
 */
function isRefusedForGood(error: unknown): boolean {
  return (
    isGrpcServiceError(error) &&
    error.code === invalidArgument &&
    !/signal.*limit|limit.*signal/i.test(error.details)
  );
}

function describeGrpc(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return isGrpcServiceError(cause) ? cause.details || cause.message : describe(error);
}
