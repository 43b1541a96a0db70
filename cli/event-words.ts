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
    case 'rollout.requested': {
      const by = body.requested_by === undefined ? '' : ` by ${body.requested_by}`;
      return `#${metadata.sequence} version ${body.version} of agent ${body.agent_id}, requested${by}`;
    }
    case 'rollout.updated':
      return `#${metadata.sequence} ${body.status}, ${countsInWords(body)}${inWords(body.reason)}`;
    case 'rollout.completed':
      return `#${metadata.sequence} version ${body.version}, ${countsInWords(body)}`;
    case 'rollout.rolled_back':
      return `#${metadata.sequence} ${body.reverted} reverted, ${countsInWords(body)}${inWords(body.reason)}`;
    case 'deployment.requested': {
      const by = body.requested_by === undefined ? '' : ` by ${body.requested_by}`;
      return `#${metadata.sequence} build ${body.build_id} of ${body.deployment_name}, requested${by}`;
    }
    case 'deployment.updated':
      return `#${metadata.sequence} ${body.status}, build ${body.build_id} at ${body.percentage} %${inWords(body.reason)}`;
    case 'deployment.promoted':
      return `#${metadata.sequence} build ${body.build_id} of ${body.deployment_name}, ${body.held} held`;
    case 'deployment.rolled_back':
      return `#${metadata.sequence} build ${body.build_id}, ${body.reset_instances} reset${inWords(body.reason)}`;
  }
}

type RolloutCounts = Record<'wave' | 'total' | 'moved' | 'healthy' | 'failed', number>;

function countsInWords({ wave, total, moved, healthy, failed }: RolloutCounts): string {
  return `wave ${wave}, ${moved} of ${total} moved, ${healthy} healthy, ${failed} failed`;
}

function inWords(reason: { code: string; message: string } | undefined): string {
  return reason ? `, ${reason.code}: ${reason.message}` : '';
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
