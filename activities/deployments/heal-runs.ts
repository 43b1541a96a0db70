import { cancellationSignal } from '@temporalio/activity';
import { setTimeout as delay } from 'node:timers/promises';
import pMap from 'p-map';
import {
  healDeploymentInstances,
  recordDeployment,
  recordDeploymentInstances,
} from '../../database/deployments/steps.ts';
import { findInstancesWith } from '../../database/deployments/troubled.ts';
import type { DeploymentActivities } from '../../workflows/deployments/activities.ts';
import { isInCohort } from './cohort.ts';
import type { DeploymentActivityDependencies, OpenRun, ProbeResult } from './dependencies.ts';
import { createNudges, healInstances } from './heal-instances.ts';
import { readHeldWorkflows, releaseInstances } from './held-instances.ts';
import { readFacts, type Reading } from './read-facts.ts';
import { defaults } from './repeat.ts';
import { batchOf, collectRuns, findingsOf, instanceIdOf, listFirst, mostRunsOfGate } from './runs.ts';

type HealRuns = DeploymentActivities['healRuns'];

/** A probe may still be answered by the candidate for a second or two after the routing was changed. */
const routingLagMs = 3_000;
/** A failed attempt of a workflow task is released after ten seconds, and what is only stuck goes on then. */
const attemptMs = 15_000;
const longestStepMs = 60_000;

/**
 * Makes the build before carry on every run that the candidate carried on, after the routing was changed: runs that it cannot replay
 * are reset to the last workflow task that it completed.
 */
export function createHealRuns(dependencies: DeploymentActivityDependencies): HealRuns {
  const { pool, pollMs = defaults.pollMs } = dependencies;

  return async ({ deploymentName, deploymentId, memory }) => {
    const reading = await readFacts(dependencies, deploymentName);
    if (reading?.row.id !== deploymentId || reading.facts.status !== 'rolling_back') {
      return { facts: reading?.facts ?? null, isHealed: false };
    }
    const signal = cancellationSignal();
    await releaseInstances(pool, reading);
    const unhealed = await heal(reading, signal);
    if (unhealed.size === 0) await healInstances(pool, reading, { ramps: memory.ramps, pollMs, signal });
    const facts = (await readFacts(dependencies, deploymentName))?.facts ?? null;
    if (unhealed.size === 0) return { facts, isHealed: !signal.aborted };
    const found = [...unhealed].map(([id, message]) => [instanceIdOf({ workflowId: id }) ?? id, message] as const);
    const message = `${unhealed.size} runs do not go on with the build before. ${listFirst(found)}`;
    return { facts, isHealed: false, failure: { code: 'heal_failed', message } };
  };

  /** @returns the runs that do not answer, with the reason */
  async function heal(reading: Reading, signal: AbortSignal): Promise<Map<string, string>> {
    const { row, server, facts } = reading;
    const percentage = facts.secondsSincePromotion === undefined ? facts.percentage : 100;
    const began = performance.now();
    const limitMs = row.strategy.progressDeadlineSeconds * 1_000;
    const lastOnCandidate = await collectRuns(server.listRunsLastOn(row.buildId));
    await resetUnreplayable(reading, lastOnCandidate, signal);

    await delay(routingLagMs, undefined, { signal }).catch(() => undefined);
    const suspects = new Map<string, OpenRun>();
    const all = await collectRuns(server.listRuns());
    const known = new Set(lastOnCandidate.map(({ workflowId }) => workflowId));
    const held = await readHeldWorkflows(pool, row.id);
    for (const run of all) {
      const wasCarried = known.has(run.workflowId) || isInCohort(run.workflowId, percentage);
      if (wasCarried && !held.has(run.workflowId)) suspects.set(run.workflowId, run);
    }
    const unhealed = new Map<string, string>();
    const nudge = createNudges();
    // A worker of the candidate may have been at work on a run when the run was taken from it, and have it in its cache again.
    let isCertain = row.previousBuildId !== null;
    while (!signal.aborted) {
      // Temporal takes runs from the workers of one build for those of another, but not for workers without a build.
      if (row.previousBuildId === null)
        await pMap(suspects.values(), (run) => server.unstick(run), { concurrency: 10 });
      const results = await probe(reading, suspects.values(), signal);
      // What the build before cannot replay was reset. A run is probed once its step is over, which may take as long as its agent needs.
      const mayEnd = performance.now() - began < longestStepMs;
      const underWay = [...results].flatMap(([id, { outcome }]) => (outcome === 'underWay' ? [id] : []));
      await pMap(underWay, (workflowId) => nudge(reading, { workflowId, runId: '' }), { concurrency: 10 });
      unhealed.clear();
      for (const [id, result] of results) {
        const run = suspects.get(id);
        if (result.outcome === 'underWay' && mayEnd) continue;
        if (result.outcome !== 'failed' && result.outcome !== 'silent') {
          if (isCertain) suspects.delete(id);
          continue;
        }
        if (!run) continue;
        unhealed.set(id, result.outcome === 'failed' ? result.message : 'It does not answer.');
        const isReplayed = result.outcome === 'failed' && result.by === 'probe';
        const mayBeStuck = performance.now() - began < attemptMs;
        if (isReplayed || !mayBeStuck) await reset(reading, await findCurrent(reading, run));
      }
      isCertain = true;
      if (suspects.size === 0 || performance.now() - began > limitMs) break;
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
    if (unhealed.size === 0) await markHealed(reading);
    return unhealed;
  }

  /** A run that was reset has another id. */
  async function findCurrent({ server }: Reading, { workflowId }: OpenRun): Promise<OpenRun> {
    for await (const run of server.listRuns()) if (run.workflowId === workflowId) return run;
    return { workflowId, runId: '' };
  }

  /** The reverse gate. It cannot run on workers without a build, whose runs the probes find. */
  async function resetUnreplayable(
    { row, server, facts }: Reading,
    runs: OpenRun[],
    signal: AbortSignal,
  ): Promise<void> {
    if (row.previousBuildId === null || runs.length === 0) return;
    for (let begin = 0; begin < runs.length && !signal.aborted; begin += mostRunsOfGate) {
      const result = await server.runGate({
        deploymentId: row.id,
        batch: batchOf(0, begin),
        buildId: row.previousBuildId,
        runs: runs.slice(begin, begin + mostRunsOfGate),
        checksCandidate: false,
        // A build from before there were gates never ends one, and the probes find the runs that it cannot replay as well.
        limitSeconds: 60 + mostRunsOfGate / 4,
        signal,
      });
      for (const failure of result?.failures ?? []) await reset({ row, server, facts }, failure);
    }
  }

  async function reset({ row, server }: Reading, run: OpenRun): Promise<void> {
    // Written down first, so that a deployer that goes on for another one counts it as well.
    const message = `It was reset to its last task before the build ${row.buildId}.`;
    const found = findingsOf([[run.workflowId, message]]);
    await recordDeploymentInstances(pool, row.id, 'reset', found);
    const isReset = await server.reset(run, {
      buildId: row.previousBuildId,
      reason: `The build ${row.buildId} is rolled back.`,
      requestId: `${row.id}/${run.runId}`,
    });
    if (isReset) return;
    const ids = found.map(({ instanceId }) => instanceId);
    await healDeploymentInstances(pool, row.id, 'reset', ids);
  }

  async function probe(
    { row, server }: Reading,
    runs: Iterable<OpenRun>,
    signal: AbortSignal,
  ): Promise<Map<string, ProbeResult>> {
    const results = new Map<string, ProbeResult>();
    await server.probeRuns({
      runs,
      perSecond: row.strategy.probePerSecond,
      signal,
      onResult: ({ workflowId }, result) => results.set(workflowId, result),
    });
    return results;
  }

  async function markHealed({ row }: Reading): Promise<void> {
    const found = await findInstancesWith(pool, row.id, 'reset');
    await recordDeployment(pool, row.id, {
      status: 'rolling_back',
      resetInstances: found.length,
      ...(row.reason && { reason: row.reason }),
    });
    for (const finding of ['probe_failed', 'task_failed'] as const) {
      await healDeploymentInstances(pool, row.id, finding, await findInstancesWith(pool, row.id, finding));
    }
  }
}
