import type { Cause, RowChanged, RowDeleted } from '../../workflows/messages.ts';
import type { EventMetadata } from '../../contracts/envelope.ts';
import type { Acceptance } from './acceptance.ts';
import type { IncomingEvent } from '../bus/incoming-event.ts';
import { sendNewest } from './send-newest.ts';
import type { InstanceWorkflows } from './instance-workflows.ts';
import { untilAccepted } from './until-accepted.ts';

export interface InstanceRouterOptions {
  workflows: Pick<InstanceWorkflows, 'signalOrStart'>;
  acceptance: Acceptance;
}

/**
 * From an event to its workflow. Resolves once Temporal has accepted the signal, or one of a newer version of the same row,
 * or at once when the event has nothing to say to a workflow.
 *
 * Signals that come faster than workflow tasks end keep a workflow from continuing as new, and in the end from ending any
 * task; so a row that changes all the time is told of now and then.
 */
export function createInstanceRouter({ workflows, acceptance }: InstanceRouterOptions) {
  const tell = sendNewest<Told>({
    keyOf: ({ metadata }) => metadata.subject,
    rankOf: ({ message }) => message.sequence,
    send: async ({ metadata: { subject, instance }, message, signal }) =>
      untilAccepted({ call: () => workflows.signalOrStart(subject, message, instance), acceptance, signal }),
  });
  return async ({ type, metadata }: IncomingEvent, signal: AbortSignal): Promise<void> => {
    const message = toMessage({ type, metadata });
    if (message) await tell({ metadata, message, signal });
  };
}

interface Told {
  metadata: EventMetadata;
  message: RowChanged | RowDeleted;
  signal: AbortSignal;
}

/** Undefined when there is nothing new: agent events, and the echo of a status that the workflow itself recorded. */
export function toMessage({
  type,
  metadata,
}: Pick<IncomingEvent, 'type' | 'metadata'>): RowChanged | RowDeleted | undefined {
  const { instance, sequence } = metadata;
  if (!instance) return undefined;
  const cause: Cause = {
    eventId: metadata.id,
    correlationId: metadata.correlationId,
    traceparent: metadata.traceparent,
  };
  if (type === 'instance.deleted') return { type: 'rowDeleted', sequence, cause };
  if (instance.generation === instance.observedGeneration) return undefined;
  const { generation, desiredState } = instance;
  return { type: 'rowChanged', sequence, generation, desiredState, cause };
}
