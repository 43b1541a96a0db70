import type { queueNames } from '../../contracts/names.ts';
import type { EventTypeOf } from '../../contracts/topology.ts';
import type { IncomingEvent } from '../bus/incoming-event.ts';
import type { Acceptance } from './acceptance.ts';
import { sendNewest } from './send-newest.ts';
import type { RolloutWorkflows } from './rollout-workflows.ts';
import { untilAccepted } from './until-accepted.ts';

export interface RolloutRouterOptions {
  workflows: Pick<RolloutWorkflows, 'signalOrStart'>;
  acceptance: Acceptance;
}

type RolloutEvent = IncomingEvent<EventTypeOf<typeof queueNames.agentsWorkerRollout>>;

/**
 * Signals an event of a rollout to the workflow of its agent's rollouts, and starts the workflow if none runs. Frequent events of one
 * agent are throttled as in instance-router.ts.
 */
export function createRolloutRouter({ workflows, acceptance }: RolloutRouterOptions) {
  const tell = sendNewest<{ agentId: string; sequence: number; signal: AbortSignal }>({
    keyOf: ({ agentId }) => agentId,
    rankOf: ({ sequence }) => sequence,
    send: ({ agentId, signal }) => untilAccepted({ call: () => workflows.signalOrStart(agentId), acceptance, signal }),
  });
  return async (event: RolloutEvent, signal: AbortSignal): Promise<void> => {
    if (!isNews(event)) return;
    await tell({ agentId: event.body.agent_id, sequence: event.metadata.sequence, signal });
  };
}

/** A workflow that is at work reads the rows by itself. */
function isNews({ type, body }: RolloutEvent): boolean {
  switch (type) {
    case 'rollout.requested':
      return true;
    case 'rollout.updated':
      return body.status === 'requested' || body.status === 'queued' || body.status === 'paused';
    case 'rollout.completed':
    case 'rollout.rolled_back':
      return false;
  }
}
