import type { Logger } from 'pino';
import type { Cause, RowChanged, RowDeleted } from '../workflows/messages.ts';
import type { IncomingEvent } from './incoming-event.ts';
import type { SignalInstance } from './signal-instance.ts';
import { untilAccepted } from './until-accepted.ts';

export interface InstanceRouterOptions {
  signalInstance: SignalInstance;
  logger: Logger;
}

/**
 * From an event to its workflow. Resolves once Temporal has accepted the signal, or at once when the event has nothing
 * to say to a workflow.
 */
export function createInstanceRouter({ signalInstance, logger }: InstanceRouterOptions) {
  return async (event: IncomingEvent, signal: AbortSignal): Promise<void> => {
    const message = toMessage(event);
    if (!message) return;
    const { metadata } = event;
    await untilAccepted({
      call: () => signalInstance(metadata.subject, message, metadata.instance),
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
  const created = type === 'instance.created' && { created: true as const };
  return { type: 'rowChanged', sequence, generation, desiredState, ...created, cause };
}
