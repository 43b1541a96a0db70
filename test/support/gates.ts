import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createPollers } from '../../bridge/deployments/pollers.ts';
import { gateWorkflowType, instanceWorkflowId, type BuildOfDeployment } from '../../contracts/names.ts';
import type { Service } from '../../workers/services/service.ts';
import type { gateWorkflow } from '../../workflows/gate/gate-workflow.ts';
import type { Rig } from './rig.ts';
import { untilTrue } from './routed-workers.ts';

/** Starts an agents_worker of a build as a host of its own, beside those that run. */
export async function startCandidate(rig: Rig, build: BuildOfDeployment): Promise<Service> {
  const { TASK_QUEUE: taskQueue, RUNTIME_DIRECTORY: directory } = rig.environment;
  const worker = await rig.startAgentsWorker({
    TEMPORAL_DEPLOYMENT_NAME: build.deploymentName,
    TEMPORAL_WORKER_BUILD_ID: build.buildId,
    RUNTIME_DIRECTORY: join(directory, build.buildId),
  });
  await worker.ready();
  const { findMissing } = createPollers({ client: rig.client, deploymentName: build.deploymentName, taskQueue });
  await untilTrue(async () => (await findMissing(build.buildId)).length === 0, 'the candidate does not poll', 60_000);
  return worker;
}

/** Starts the gate of a build for the current runs of instances. */
export async function startGate(
  rig: Rig,
  build: BuildOfDeployment,
  ids: readonly string[],
  { checksCandidate = false } = {},
) {
  const runs = await Promise.all(
    ids.map(async (id) => ({
      workflowId: instanceWorkflowId(id),
      runId: (await rig.workflow(id).describe()).runId,
    })),
  );
  return rig.client.workflow.start<typeof gateWorkflow>(gateWorkflowType, {
    workflowId: `gate/${randomUUID()}`,
    taskQueue: rig.environment.TASK_QUEUE,
    args: [{ buildId: build.buildId, runs, checksCandidate }],
    versioningOverride: { pinnedTo: build },
    workflowExecutionTimeout: '2 minutes',
  });
}
