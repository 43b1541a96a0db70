import type { Pool } from 'pg';
import type { InstanceStatus, queueNames } from '../../contracts/names.ts';
import type { EventTypeOf } from '../../contracts/topology.ts';
import { findInstancesOf, isInUse } from '../../database/instances/of-agent.ts';
import { toAgentDrained, type InstanceMessage } from '../../workflows/messages.ts';
import type { Acceptance } from './acceptance.ts';
import type { ControlPlane } from '../control-plane/control-plane.ts';
import type { IncomingEvent } from '../bus/incoming-event.ts';
import type { InstanceWorkflows } from './instance-workflows.ts';
import { sendNewest } from './send-newest.ts';
import { untilAccepted } from './until-accepted.ts';

export interface AgentRouterOptions {
  control: Pick<ControlPlane, 'announceDrain'>;
  workflows: Pick<InstanceWorkflows, 'signal'>;
  pool: Pool;
  acceptance: Acceptance;
}

/**
 * Signals an event of an agent to the workflows of the instances that it concerns. Frequent events of one agent are throttled as
 * in instance-router.ts.
 */
export function createAgentRouter({ workflows, pool, control, acceptance }: AgentRouterOptions) {
  const tell = sendNewest<Told>({
    keyOf: ({ instanceId, message }) => `${message.type} ${instanceId}`,
    rankOf: ({ sequence }) => sequence,
    // An instance without a workflow needs no signal: a workflow that starts later reads the agent anyway.
    send: ({ instanceId, message, signal }) =>
      untilAccepted({ call: () => workflows.signal(instanceId, message), acceptance, signal }),
  });
  return async (event: AgentEvent, signal: AbortSignal): Promise<void> => {
    const audience = audienceOf(event);
    if (!audience) return;
    const { toMessage, drains, statuses } = audience;
    const { id: eventId, subject: agentId, sequence, correlationId, traceparent } = event.metadata;
    if (drains) {
      // A late or repeated event must not drain an agent that was published again since.
      if (await isInUse(pool, agentId)) return;
      await control.announceDrain({ agentId, cause: { eventId, correlationId, traceparent } });
    }
    for (const { id, generation } of await findInstancesOf(pool, agentId, statuses)) {
      await tell({ instanceId: id, message: toMessage(generation), sequence, signal });
    }
  };
}

type AgentEvent = IncomingEvent<EventTypeOf<typeof queueNames.agentsWorkerAgent>>;

interface Told {
  instanceId: string;
  message: InstanceMessage;
  sequence: number;
  signal: AbortSignal;
}

interface Audience {
  statuses: InstanceStatus[];
  drains: boolean;
  toMessage: (generation: number) => InstanceMessage;
}

function audienceOf({ type, body }: AgentEvent): Audience | undefined {
  switch (type) {
    case 'agent.published':
      return { statuses: ['pending'], drains: false, toMessage: () => ({ type: 'agentPublished' }) };
    case 'agent.retired': {
      if (!body.drain) return undefined;
      return {
        statuses: ['pending', 'running'],
        drains: true,
        toMessage: (generation) => toAgentDrained(body.agent_id, generation),
      };
    }
  }
}
