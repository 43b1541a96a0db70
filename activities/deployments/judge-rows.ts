import pMap from 'p-map';
import type { Pool } from 'pg';
import { instanceWorkflowId, type DeploymentReason } from '../../contracts/names.ts';
import { recordDeploymentInstances } from '../../database/deployments/steps.ts';
import {
  findFailedInstances,
  findUnsettledInstances,
  readInstanceIds,
  type UnsettledInstance,
} from '../../database/deployments/troubled.ts';
import type { DeploymentMemory } from '../../workflows/deployments/facts.ts';
import { carriedSince, isInCohort } from './cohort.ts';
import type { DeploymentServer } from './dependencies.ts';
import type { Reading } from './read-facts.ts';
import { listFirst } from './runs.ts';

/** An instance that has made no progress for so long is looked at. Most take a change up within a second. */
const stallMs = 10_000;
/** Time that an instance has to take a change up where no step of its workflow says what it waits for. */
const graceMs = 60_000;
/** A worker on a busy host may miss the heartbeats of one attempt. */
const leastFailures = 2;
/** Of each side, so that a look at the rows is over within a second also where the whole engine stands still. */
const mostAsked = 20;

interface Stalled extends UnsettledInstance {
  stalledMs: number;
}

interface Troubled {
  instanceId: string;
  message: string;
}

/**
 * Judges a candidate by the rows of its instances: those that failed, and those that make no progress. Instances do badly for many
 * reasons. What counts is how many more do so with the candidate than without it.
 */
export function createRowJudge(pool: Pool) {
  /** When each instance was first seen unsettled since the engine last made progress with it. */
  const seen = new Map<string, { progress: string; at: number }>();
  /** What was unsettled when the time of the step was over, and has not been settled since. */
  let undecided: Map<string, string> | undefined;

  return {
    judge: async (
      { row, facts, server }: Reading,
      { held, ramps }: { held: ReadonlySet<string>; ramps: DeploymentMemory['ramps'] },
    ): Promise<DeploymentReason | undefined> => {
      const { percentage, buildId } = facts;
      if (facts.status === 'promoted') return undefined;
      const isCarried = carriedAt(percentage, held);
      const failed = await findFailedInstances(pool, row.id, null);
      const failedSince = failed.filter(({ isSince }) => isSince);
      const failedCarried = failedSince.filter(isCarried);

      const unsettled = track(await findUnsettledInstances(pool));
      forgetDecided(unsettled);
      const stalled = unsettled.filter(
        (instance) =>
          instance.stalledMs >= stallMs && instance.changedAt >= sinceOf(instance.instanceId, ramps, facts.changedAt),
      );
      const others = stalled.filter((instance) => !isCarried(instance));
      const troubled = await findTroubled(server, stalled.filter(isCarried), buildId);
      const carried: Troubled[] = [...failedCarried, ...troubled];
      if (carried.length <= row.strategy.maxFailures) return undefined;

      const ids = (await readInstanceIds(pool)).map((instanceId) => ({ instanceId }));
      const count = ids.filter(isCarried).length;
      const isCompared = percentage < 100 && ids.length > count;
      const perOther = isCompared ? count / (ids.length - count) : 0;
      // Where nobody is left to compare with, the same instances in as long a time before the request are.
      const failedExpected = isCompared
        ? (failedSince.length - failedCarried.length) * perOther
        : failed.filter((instance) => !instance.isSince && isCarried(instance)).length;
      const troubledOthers = await findTroubled(server, others, undefined);
      const share = others.length / Math.max(1, Math.min(others.length, mostAsked));
      const expected = failedExpected + troubledOthers.length * share * perOther;
      if (carried.length - expected <= row.strategy.maxFailures) return undefined;
      await recordDeploymentInstances(
        pool,
        row.id,
        'instance_failed',
        carried.map(({ instanceId, message }) => ({ instanceId, message })),
      );
      return {
        code: 'instance_failures',
        message:
          `${carried.length} instances of the build ${buildId} do badly, ${Math.round(expected * 10) / 10} would be expected, and at most ` +
          `${row.strategy.maxFailures} more are allowed. ${listFirst(carried.map(({ instanceId, message }) => [instanceId, message]))}`,
      };
    },

    /**
     * Whether every instance of the candidate that was unsettled when this was asked first has been settled since. A step is not over
     * before, or what the candidate fails with would not be found in a short step.
     */
    isDecided: async ({ facts, row }: Reading, held: ReadonlySet<string>): Promise<boolean> => {
      undecided ??= new Map(
        track(await findUnsettledInstances(pool))
          .filter(carriedAt(facts.percentage, held))
          .map(({ instanceId, statusChangedAt }) => [instanceId, statusChangedAt]),
      );
      return undecided.size <= row.strategy.maxFailures;
    },
  };

  function track(instances: readonly UnsettledInstance[]): Stalled[] {
    const now = performance.now();
    const ids = new Set(instances.map(({ instanceId }) => instanceId));
    for (const id of seen.keys()) if (!ids.has(id)) seen.delete(id);
    return instances.map((instance) => {
      const { instanceId, statusChangedAt: progress } = instance;
      const before = seen.get(instanceId);
      const since = before?.progress === progress ? before : { progress, at: now };
      seen.set(instanceId, since);
      return { ...instance, stalledMs: now - since.at };
    });
  }

  function forgetDecided(unsettled: readonly Stalled[]): void {
    const progress = new Map(unsettled.map(({ instanceId, statusChangedAt }) => [instanceId, statusChangedAt]));
    for (const [id, before] of undecided ?? []) if (progress.get(id) !== before) undecided?.delete(id);
  }
}

/** Tells the instances that the candidate serves from those that the other build serves. */
function carriedAt(percentage: number, held: ReadonlySet<string>) {
  return ({ instanceId }: { instanceId: string }): boolean => {
    const workflowId = instanceWorkflowId(instanceId);
    return isInCohort(workflowId, percentage) && !held.has(workflowId);
  };
}

/** An instance that stood still before the candidate got it is none of the candidate's business, unless its user changes it again. */
function sinceOf(instanceId: string, ramps: DeploymentMemory['ramps'], otherwise: string): string {
  return carriedSince(instanceWorkflowId(instanceId), ramps) ?? ramps?.[0]?.at ?? otherwise;
}

/** @param buildId only steps that failed on the workers of this build count; undefined: all that failed */
async function findTroubled(
  server: DeploymentServer,
  stalled: readonly Stalled[],
  buildId: string | undefined,
): Promise<Troubled[]> {
  const found = await pMap(
    stalled.slice(0, mostAsked),
    async ({ instanceId, generation, stalledMs }): Promise<Troubled | undefined> => {
      const steps = await server.readSteps({ workflowId: instanceWorkflowId(instanceId) });
      const failing = steps.find(
        (step) => step.failures >= leastFailures && (buildId === undefined || (step.buildId ?? buildId) === buildId),
      );
      if (failing) return { instanceId, message: `Its step ${failing.name} fails: ${failing.failure}` };
      if (steps.length > 0 || stalledMs < graceMs) return undefined;
      return { instanceId, message: `It did not take its generation ${generation} up within ${graceMs / 1_000} s.` };
    },
    { concurrency: 10 },
  );
  return found.filter((troubled) => troubled !== undefined);
}
