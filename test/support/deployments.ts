import type { Client } from '@temporalio/client';
import { vi } from 'vitest';
import { createPollers } from '../../bridge/deployments/pollers.ts';
import type { BuildOfDeployment } from '../../contracts/names.ts';

const patience = { timeout: 45_000, interval: 100 };

/** Settings of an agents_worker of that build. */
export function settingsOf({ deploymentName, buildId }: BuildOfDeployment): Record<string, string> {
  return { TEMPORAL_DEPLOYMENT_NAME: deploymentName, TEMPORAL_WORKER_BUILD_ID: buildId };
}

/**
 * Resolves once workers of the build poll the task queue for workflows and for activities, and the server has registered the build there.
 * Until then, it gives tasks that are pinned to the build to the current one.
 */
export async function untilPolled(
  client: Client,
  { deploymentName, buildId }: BuildOfDeployment,
  taskQueue: string,
): Promise<void> {
  const { findMissing } = createPollers({ client, deploymentName, taskQueue });
  await vi.waitUntil(async () => (await findMissing(buildId)).length === 0, patience);
}

/**
 * Makes the build the current one of its deployment. A worker polls some seconds before the server has registered it for each task queue, and
 * the server refuses the build meanwhile.
 */
export async function makeCurrent(
  client: Client,
  { deploymentName, buildId }: BuildOfDeployment,
  { ignoreMissingTaskQueues = false } = {},
): Promise<void> {
  await vi.waitUntil(async () => {
    try {
      await client.workflowService.setWorkerDeploymentCurrentVersion({
        namespace: client.options.namespace,
        deploymentName,
        buildId,
        ignoreMissingTaskQueues,
      });
      return true;
    } catch (error) {
      if (!String(error).includes('missing active task queues')) throw error;
      return false;
    }
  }, patience);
}

/** The build of each completed workflow task of a run, by default the workflow's current one; `unversioned` where there is none. */
export async function buildsOfTasks(client: Client, workflowId: string, runId?: string): Promise<string[]> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  return (events ?? []).flatMap(({ workflowTaskCompletedEventAttributes: completed }) =>
    completed ? [completed.deploymentVersion?.buildId ?? 'unversioned'] : [],
  );
}
