import { cancellationSignal, heartbeat } from '@temporalio/activity';
import type { Pool } from 'pg';
import { recordDeployment } from '../../database/deployments/steps.ts';
import type { DeploymentActivities, DeploymentStep, Outcome } from '../../workflows/deployments/activities.ts';
import { isRollingBack, type DeploymentTarget } from '../../workflows/deployments/decide.ts';
import { createCheckCandidate } from './check-candidate.ts';
import type { DeploymentActivityDependencies } from './dependencies.ts';
import { createHealRuns } from './heal-runs.ts';
import { holdInstances, releaseToCandidate } from './held-instances.ts';
import { createObserveCandidate } from './observe-candidate.ts';
import { readFacts, type Reading } from './read-facts.ts';
import { repeat } from './repeat.ts';

/** The activities of the deployer. */
export function createDeploymentActivities(dependencies: DeploymentActivityDependencies): DeploymentActivities {
  const { pool } = dependencies;

  /** Takes one step of the deployment, if it is still the active one, and reads what it led to. */
  const step = async (
    { deploymentName, deploymentId }: DeploymentStep,
    act: (reading: Reading) => Promise<unknown>,
  ): Promise<Outcome> => {
    const reading = await readFacts(dependencies, deploymentName);
    if (reading?.row.id !== deploymentId) return { facts: reading?.facts ?? null };
    await act(reading);
    return { facts: (await readFacts(dependencies, deploymentName))?.facts ?? null };
  };

  return whileBeating({
    readDeployment: async ({ deploymentName }) => ({
      facts: (await readFacts(dependencies, deploymentName))?.facts ?? null,
    }),

    watchDeployment: async (input) => ({
      facts: (await repeat(dependencies, input, 'watch', async () => 'goOn'))?.facts ?? null,
    }),

    recordDeployment: ({ deploymentName, deploymentId, ...change }) =>
      step({ deploymentName, deploymentId }, ({ row }) => recordDeployment(pool, row.id, change)),

    takeOverRouting: (input) => step(input, ({ server }) => server.manage()),

    checkCandidate: createCheckCandidate(dependencies),

    routeTasks: async ({ to, ...input }) => {
      let refusal: string | undefined;
      const outcome = await step(input, async (reading) => {
        // Since the decision, somebody else changed the routing, or the rollback began. The next decision knows of it.
        const isOfRollback = to === 'previous';
        if (reading.facts.routing.stranger !== undefined || isRollingBack(reading.facts) !== isOfRollback) return;
        refusal = await route(pool, reading, to);
      });
      return { ...outcome, ...(refusal !== undefined && { refusal }) };
    },

    observeCandidate: createObserveCandidate(dependencies),

    healRuns: createHealRuns(dependencies),

    retireBuilds: async (input) => {
      let isRetired = false;
      const reading = await repeat(dependencies, input, 'retire', async (now) => {
        const { row, server } = now;
        const { builds = [], currentBuildId, rampingBuildId } = (await server.readRouting()) ?? {};
        const needed = new Set([row.buildId, currentBuildId, rampingBuildId]);
        // The server takes 100 builds at most, and its own cleaning is unreliable.
        const unused = builds.map(({ buildId }) => buildId).filter((buildId) => !needed.has(buildId));
        const kept = new Set<string>();
        for (const buildId of unused) if (!(await server.deleteVersion(buildId))) kept.add(buildId);
        isRetired = row.previousBuildId === null || !kept.has(row.previousBuildId);
        if (!isRetired) return 'goOn';
        await releaseToCandidate(pool, now, cancellationSignal());
        return 'done';
      });
      return { facts: reading?.facts ?? null, isRetired };
    },
  });
}

async function route(pool: Pool, reading: Reading, to: DeploymentTarget): Promise<string | undefined> {
  const { row, facts, server } = reading;
  if (to !== 'previous') await holdInstances(pool, reading);
  const { rampingBuildId, currentBuildId } = facts.routing;
  switch (to) {
    case 'ramp':
      return server.ramp(row.buildId, row.percentage);
    case 'candidate':
      return server.setCurrent(row.buildId);
    case 'previous': {
      const refusal = rampingBuildId === row.buildId ? await server.unsetRamp() : undefined;
      return refusal ?? (currentBuildId === row.buildId ? server.setCurrent(row.previousBuildId) : undefined);
    }
  }
}

/** A call to a busy server may take longer than the time within which Temporal wants to hear of an activity. */
function whileBeating(activities: DeploymentActivities): DeploymentActivities {
  const beating = Object.entries(activities).map(([name, activity]) => [
    name,
    async (input: never) => {
      const beat = setInterval(() => heartbeat(), beatMs);
      try {
        return await (activity as (input: never) => Promise<unknown>)(input);
      } finally {
        clearInterval(beat);
      }
    },
  ]);
  return Object.fromEntries(beating) as DeploymentActivities;
}

const beatMs = 3_000;
