import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { instanceWorkflowId, instanceWorkflowType } from '../../contracts/names.ts';
import { instanceWorkflow } from '../signals/instance-workflows.ts';

export interface CanaryWorkflowsOptions {
  client: Client;
  deploymentName: string;
  taskQueue: string;
}

/** Time limit of one call: a half-open connection never answers. */
const callTimeoutMs = 10_000;

/** The workflows of the instances that are run on a build before any other. */
export function createCanaryWorkflows({ client, deploymentName, taskQueue }: CanaryWorkflowsOptions) {
  const call = <T>(run: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + callTimeoutMs, run);
  return {
    /** Starts the workflow on the workers of a build, whichever build is the current one. One that runs already is left as it is. */
    start: async (instanceId: string, buildId: string): Promise<void> => {
      await call(() =>
        client.workflow.start(instanceWorkflowType, {
          workflowId: instanceWorkflowId(instanceId),
          workflowIdConflictPolicy: 'USE_EXISTING',
          taskQueue,
          args: [{ instanceId }],
          versioningOverride: { pinnedTo: { deploymentName, buildId } },
          staticSummary: `Canary of the build ${buildId}`,
        }),
      );
    },

    isRunning: async (instanceId: string): Promise<boolean> => {
      try {
        const { status } = await call(() => instanceWorkflow(client, instanceId).describe());
        return status.name === 'RUNNING';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      }
    },

    giveUp: async (instanceId: string): Promise<void> => {
      try {
        await call(() => instanceWorkflow(client, instanceId).terminate('The canary of a build is given up.'));
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },
  };
}
