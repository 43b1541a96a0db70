import type { IncomingEvent } from '../bridge/bus/incoming-event.ts';
import { statusReason } from '../database/instances/view.ts';

/** Describes an event in words, without its type and subject. */
export function eventInWords({ type, body, metadata }: IncomingEvent): string {
  switch (type) {
    case 'instance.created':
      return `#${metadata.sequence} ${body.status}, agent ${body.agent_id}, user ${body.user_id}`;
    case 'instance.updated': {
      const { instance } = metadata;
      const reason = statusReason.safeParse(body.metadata?.['status_reason']).data;
      return [
        `#${metadata.sequence} ${body.status}, generation ${instance?.observedGeneration} of ${instance?.generation}`,
        `wanted ${instance?.desiredState}`,
        ...(reason ? [`${reason.code}: ${reason.message}`] : []),
      ].join(', ');
    }
    case 'instance.deleted':
      return `#${metadata.sequence}`;
    case 'agent.published':
      return `#${metadata.sequence} ${body.name} ${body.version}`;
    case 'agent.retired':
      return `#${metadata.sequence} since ${body.retired_at}`;
  }
}

/** The documented body and the headers, whose names lose their prefix. */
export function eventToJson({ type, body, metadata }: IncomingEvent) {
  const { id, subject, time, sequence, correlationId, causationId, instance } = metadata;
  return {
    id,
    type,
    subject,
    time,
    sequence,
    correlation_id: correlationId,
    causation_id: causationId ?? null,
    ...(instance && {
      desired_state: instance.desiredState,
      generation: instance.generation,
      observed_generation: instance.observedGeneration,
    }),
    body,
  };
}
