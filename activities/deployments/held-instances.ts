import pMap from 'p-map';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { findHeldInstances } from '../../database/deployments/held.ts';
import { healDeploymentInstances } from '../../database/deployments/steps.ts';
import { batchOf, collectRuns, instanceIdOf, mostRunsOfGate } from './runs.ts';
import type { DeploymentActivityDependencies } from './dependencies.ts';
import type { Reading } from './read-facts.ts';

type Pool = DeploymentActivityDependencies['pool'];

/** Calls to the server at a time. */
const concurrency = 10;
/** No step has this number, because a strategy has at most 20. */
const stepAfterTheLast = 21;

/** The workflow ids of the instances that stay on an earlier build, whatever the routing says. */
export async function readHeldWorkflows(pool: Pool, deploymentId: string): Promise<Set<string>> {
  const held = await findHeldInstances(pool, deploymentId);
  return new Set(held.map(({ instanceId }) => instanceWorkflowId(instanceId)));
}

/**
 * Pins the instances that the deployment holds to the previous build. It has to be done before the candidate gets anything, and not earlier:
 * a deployment that ends before its ramp leaves nothing behind.
 */
export async function holdInstances(pool: Pool, { row, server }: Reading): Promise<void> {
  const { previousBuildId } = row;
  if (previousBuildId === null) return;
  const own = await findOwn(pool, row.id);
  await pMap(own, (id) => server.hold(runOf(id), previousBuildId), { concurrency });
}

/** Gives the instances that the deployment held back to the routing. */
export async function releaseInstances(pool: Pool, { row, server }: Reading): Promise<void> {
  const own = await findOwn(pool, row.id);
  await pMap(own, (id) => server.release(runOf(id)), { concurrency });
  await healDeploymentInstances(pool, row.id, 'held', own);
}

/** Gives the candidate those instances that earlier deployments held and that it can replay. Nothing takes it back any more by then. */
export async function releaseToCandidate(pool: Pool, { row, server }: Reading, signal: AbortSignal): Promise<void> {
  const holders = new Map(
    (await findHeldInstances(pool, row.id)).map(({ instanceId, deploymentId }) => [instanceId, deploymentId]),
  );
  if (holders.size === 0) return;
  const runs = (await collectRuns(server.listRuns())).filter((run) => holders.has(instanceIdOf(run) ?? ''));
  for (let begin = 0; begin < runs.length && !signal.aborted; begin += mostRunsOfGate) {
    const batch = runs.slice(begin, begin + mostRunsOfGate);
    const result = await server.runGate({
      deploymentId: row.id,
      batch: batchOf(stepAfterTheLast, begin),
      buildId: row.buildId,
      runs: batch,
      checksCandidate: false,
      limitSeconds: row.strategy.progressDeadlineSeconds,
      signal,
    });
    if (!result) return;
    const broken = new Set(result.failures.map(({ workflowId }) => workflowId));
    for (const run of batch) {
      const instanceId = instanceIdOf(run) ?? '';
      if (broken.has(run.workflowId)) continue;
      await server.release(run);
      await healDeploymentInstances(pool, holders.get(instanceId) ?? '', 'held', [instanceId]);
    }
  }
}

async function findOwn(pool: Pool, id: string): Promise<string[]> {
  const held = await findHeldInstances(pool, id);
  return held.flatMap(({ deploymentId, instanceId }) => (deploymentId === id ? [instanceId] : []));
}

/** The run that is open now. */
function runOf(instanceId: string) {
  return { workflowId: instanceWorkflowId(instanceId), runId: '' };
}
