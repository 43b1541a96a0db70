import type { Client } from '@temporalio/client';
import { signalInstance } from '../signals/instance-workflows.ts';
import { createCanaryWorkflows } from './canary-workflows.ts';
import { createGates } from './run-gate.ts';
import { createRunMender } from './mend-runs.ts';
import { createOpenRuns } from './open-runs.ts';
import { createPendingSteps } from './pending-steps.ts';
import { createPollers } from './pollers.ts';
import { probeRuns, type ProbeRunsOptions } from './probe-runs.ts';
import { createWorkerDeployments } from './worker-deployments.ts';

export interface DeploymentServerOptions {
  client: Client;
  deploymentName: string;
  taskQueue: string;
  /** With what the deployer signs its changes, and under which it manages the routing. */
  identity: string;
}

/** Everything that a deployment of one name needs of Temporal. */
export function openDeploymentServer(options: DeploymentServerOptions) {
  const { list, listLastOn } = createOpenRuns(options);
  return {
    ...createWorkerDeployments(options),
    ...createPollers(options),
    ...createRunMender(options),
    ...createGates(options),
    ...createPendingSteps(options),
    retryInstance: (instanceId: string, requestId: string) =>
      signalInstance(options.client, instanceId, { type: 'retryRequested', requestId }),
    canaries: createCanaryWorkflows(options),
    listRuns: list,
    listRunsLastOn: listLastOn,
    probeRuns: (probes: Omit<ProbeRunsOptions, 'client'>) => probeRuns({ client: options.client, ...probes }),
  };
}
