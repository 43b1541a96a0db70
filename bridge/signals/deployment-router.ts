import type { queueNames } from '../../contracts/names.ts';
import type { EventTypeOf } from '../../contracts/topology.ts';
import type { IncomingEvent } from '../bus/incoming-event.ts';
import type { Acceptance } from './acceptance.ts';
import type { DeploymentWorkflows } from './deployment-workflows.ts';
import { sendNewest } from './send-newest.ts';
import { untilAccepted } from './until-accepted.ts';

export interface DeploymentRouterOptions {
  workflows: Pick<DeploymentWorkflows, 'signalOrStart'>;
  acceptance: Acceptance;
}

type DeploymentEvent = IncomingEvent<EventTypeOf<typeof queueNames.agentsWorkerDeployment>>;

/**
 * Signals an event of a deployment to the workflow of its deployment name, and starts the workflow if none runs. Frequent events of one
 * name are throttled as in instance-router.ts.
 */
export function createDeploymentRouter({ workflows, acceptance }: DeploymentRouterOptions) {
  const tell = sendNewest<{ name: string; sequence: number; signal: AbortSignal }>({
    keyOf: ({ name }) => name,
    rankOf: ({ sequence }) => sequence,
    send: ({ name, signal }) => untilAccepted({ call: () => workflows.signalOrStart(name), acceptance, signal }),
  });
  return async (event: DeploymentEvent, signal: AbortSignal): Promise<void> => {
    if (!isNews(event)) return;
    await tell({ name: event.body.deployment_name, sequence: event.metadata.sequence, signal });
  };
}

/** A workflow that is at work reads the row by itself. */
function isNews({ type, body }: DeploymentEvent): boolean {
  switch (type) {
    case 'deployment.requested':
      return true;
    case 'deployment.updated':
      return body.status === 'requested' || body.status === 'paused';
    case 'deployment.promoted':
    case 'deployment.rolled_back':
      return false;
  }
}
