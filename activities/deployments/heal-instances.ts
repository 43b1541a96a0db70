import { setTimeout as delay } from 'node:timers/promises';
import pMap from 'p-map';
import type { Pool } from 'pg';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { healDeploymentInstances } from '../../database/deployments/steps.ts';
import { findFailedInstances, findInstancesWith, findUnwellInstances } from '../../database/deployments/troubled.ts';
import type { DeploymentMemory } from '../../workflows/deployments/facts.ts';
import { carriedSince } from './cohort.ts';
import type { OpenRun } from './dependencies.ts';
import type { Reading } from './read-facts.ts';

/** An instance that fails or stands still for reasons of its own is not waited for any longer. */
const longestWaitMs = 60_000;

/**
 * Lets the build before take what failed on the candidate at once. Temporal would repeat it after a pause that has grown to minutes.
 */
export function createNudges() {
  const nudged = new Set<string>();
  return async ({ row, server }: Reading, run: OpenRun): Promise<void> => {
    for (const { id, buildId, isRunning, failures } of await server.readSteps(run)) {
      // The server may hand the step to the candidate once more, so that it is as before.
      const name = `${run.workflowId} ${id} ${failures}`;
      if (buildId !== row.buildId || isRunning || failures === 0 || nudged.has(name)) continue;
      nudged.add(name);
      await server.nudge(run);
    }
  };
}

/** Lets the instances that failed on the candidate try again, and waits until what did badly on it is well. */
export async function healInstances(
  pool: Pool,
  { row, server }: Reading,
  { ramps, pollMs, signal }: { ramps: DeploymentMemory['ramps']; pollMs: number; signal: AbortSignal },
): Promise<void> {
  const failed = await findFailedInstances(pool, row.id, ramps?.[0]?.at ?? null);
  const failedOnCandidate = failed.flatMap(({ instanceId, failedAt }) => {
    const since = carriedSince(instanceWorkflowId(instanceId), ramps);
    return since !== undefined && failedAt >= since ? [instanceId] : [];
  });
  const found = await findInstancesWith(pool, row.id, 'instance_failed');
  const ids = [...new Set([...failedOnCandidate, ...found])];
  const toRetry = failed.filter(({ instanceId }) => ids.includes(instanceId));
  // One try each, also where the rollback itself is repeated.
  await pMap(toRetry, ({ instanceId }) => server.retryInstance(instanceId, row.id), { concurrency: 10 });
  const end = performance.now() + longestWaitMs;
  for (;;) {
    const unwell = await findUnwellInstances(pool, ids);
    if (unwell.size === 0 || signal.aborted || performance.now() >= end) {
      const healed = found.filter((id) => !unwell.has(id));
      return healDeploymentInstances(pool, row.id, 'instance_failed', healed);
    }
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
