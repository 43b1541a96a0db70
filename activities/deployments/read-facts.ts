import { readActiveDeployment, type ActiveDeployment } from '../../database/deployments/find.ts';
import { recordRouting } from '../../database/deployments/steps.ts';
import type { DeploymentFacts, DeploymentRouting } from '../../workflows/deployments/facts.ts';
import type { DeploymentActivityDependencies, DeploymentServer, ServerRouting } from './dependencies.ts';

export interface Reading {
  row: ActiveDeployment;
  facts: DeploymentFacts;
  server: DeploymentServer;
}

/** Reads the active deployment of a name and its routing. The routing is written down for those who have no connection to Temporal. */
export async function readFacts(
  { pool, serverOf }: DeploymentActivityDependencies,
  deploymentName: string,
): Promise<Reading | null> {
  const row = await readActiveDeployment(pool, deploymentName);
  if (!row) return null;
  const server = serverOf(deploymentName);
  const [routing, candidate, previous] = await Promise.all([
    server.readRouting(),
    server.findMissing(row.buildId),
    server.findMissing(row.previousBuildId),
  ]);
  if (routing) {
    const { currentBuildId, rampingBuildId, percentage } = routing;
    await recordRouting(pool, { deploymentName, currentBuildId, rampingBuildId, rampingPercentage: percentage });
  }
  const before = routing?.builds.find(({ buildId }) => buildId === row.previousBuildId);
  const { id, reason, strategy, problem, secondsSincePromotion, gate: _, blastRadius: __, ...others } = row;
  const facts: DeploymentFacts = {
    ...others,
    deploymentId: id,
    ...(reason && { reason }),
    ...(problem !== undefined && { problem }),
    ...(secondsSincePromotion !== null && { secondsSincePromotion }),
    limits: {
      steps: strategy.steps,
      bakeSeconds: strategy.bakeSeconds,
      pollersDeadlineSeconds: strategy.pollersDeadlineSeconds,
      progressDeadlineSeconds: strategy.progressDeadlineSeconds,
      rollbackWindowSeconds: strategy.rollbackWindowSeconds,
      autoPromote: strategy.autoPromote,
      autoRollback: strategy.autoRollback,
    },
    routing: toRouting(routing, server.identity),
    missing: { candidate: candidate.map(nameOf), previous: previous.map(nameOf) },
    // A build that the server does not know any more was deleted.
    previousIsDrained: row.secondsSincePromotion !== null && (before?.isDrained ?? true),
  };
  return { row, facts, server };
}

function toRouting(routing: ServerRouting | undefined, identity: string): DeploymentRouting {
  if (!routing) return { currentBuildId: null, rampingBuildId: null, percentage: 0 };
  const { currentBuildId, rampingBuildId, percentage, manager, lastModifier } = routing;
  const known = { currentBuildId, rampingBuildId, percentage };
  if (manager !== identity) return { ...known, stranger: manager || lastModifier || 'nobody' };
  return lastModifier === identity ? known : { ...known, stranger: lastModifier };
}

function nameOf({ name, type }: { name: string; type: string }): string {
  return `${name} (${type})`;
}
