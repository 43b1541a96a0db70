import type { Client } from '@temporalio/client';
import { deploymentTaskQueue, deploymentWorkflowId, deploymentWorkflowType } from '../../contracts/names.ts';
import { deploymentChangedSignal } from '../../workflows/deployments/messages.ts';

export type DeploymentWorkflows = ReturnType<typeof createDeploymentWorkflows>;

/** Time limit of one call: a half-open connection never answers. */
const callTimeoutMs = 10_000;

/** Signals and starts the workflows that drive the deployments of names, on the task queue of the deployer. */
export function createDeploymentWorkflows({ client, taskQueue }: { client: Client; taskQueue: string }) {
  const optionsOf = (deploymentName: string) => ({
    workflowId: deploymentWorkflowId(deploymentName),
    taskQueue: deploymentTaskQueue(taskQueue),
    args: [{ deploymentName }],
    staticSummary: `Deployments of ${deploymentName}`,
  });
  const call = async (run: () => Promise<unknown>): Promise<void> => {
    await client.withDeadline(Date.now() + callTimeoutMs, run);
  };

  return {
    /** Signals the workflow of a name's deployments, and starts the workflow first if none is running. */
    signalOrStart: (deploymentName: string) =>
      call(() =>
        client.workflow.signalWithStart(deploymentWorkflowType, {
          ...optionsOf(deploymentName),
          signal: deploymentChangedSignal,
          signalArgs: [],
        }),
      ),

    /** Starts the workflow if none is running. One that runs notices nothing. */
    keep: (deploymentName: string) =>
      call(() =>
        client.workflow.start(deploymentWorkflowType, {
          ...optionsOf(deploymentName),
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      ),
  };
}
