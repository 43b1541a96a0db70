import pLimit from 'p-limit';
import type { Cause, RowChanged, RowDeleted } from '../../workflows/messages.ts';
import type { EventMetadata } from '../../contracts/envelope.ts';
import type { Acceptance } from './acceptance.ts';
import type { IncomingEvent } from '../bus/incoming-event.ts';
import { sendNewest } from './send-newest.ts';
import type { InstanceWorkflows } from './instance-workflows.ts';
import { untilAccepted } from './until-accepted.ts';
import { activeTraceparent } from '../../tracing/trace.ts';

/** Calls that are cut off may have been accepted, and are made again. */
const callsAtOnce = 16;

export interface InstanceRouterOptions {
  workflows: Pick<InstanceWorkflows, 'signalOrStart'>;
  acceptance: Acceptance;
}

/**
 * Signals an event of an instance to its workflow. Resolves when Temporal has accepted the signal, or the signal of a newer
 * version of the same row; at once if the event has no news for the workflow.
 *
 * Signals of one row are throttled: signals that arrive faster than workflow tasks end keep the workflow from continuing as
 * new, and finally from completing any task.
 */
export function createInstanceRouter({ workflows, acceptance }: InstanceRouterOptions) {
  const atOnce = pLimit(callsAtOnce);
  const tell = sendNewest<Told>({
    keyOf: ({ metadata }) => metadata.subject,
    rankOf: ({ message }) => message.sequence,
    send: async ({ metadata: { subject, instance }, message, signal }) =>
      untilAccepted({
        call: () =>
          atOnce(async () => {
            // The message may have been given back while this call waited for its turn.
            signal.throwIfAborted();
            await workflows.signalOrStart(subject, message, instance);
          }),
        acceptance,
        signal,
      }),
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

/** Undefined if the event has no news for the workflow: events of agents, and status changes that the workflow recorded itself. */
export function toMessage({
  type,
  metadata,
}: Pick<IncomingEvent, 'type' | 'metadata'>): RowChanged | RowDeleted | undefined {
  const { instance, sequence } = metadata;
  if (!instance) return undefined;
  const cause: Cause = {
    eventId: metadata.id,
    correlationId: metadata.correlationId,
    // What the workflow does follows from the handling of this event, where that is a span.
    traceparent: activeTraceparent() ?? metadata.traceparent,
  };
  if (type === 'instance.deleted') return { type: 'rowDeleted', sequence, cause };
  if (instance.generation === instance.observedGeneration) return undefined;
  const { generation, desiredState } = instance;
  return { type: 'rowChanged', sequence, generation, desiredState, cause };
}
