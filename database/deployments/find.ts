import type { Pool } from 'pg';
import { z } from 'zod';
import {
  InvalidDeploymentStrategy,
  resolveDeploymentStrategy,
  type ResolvedDeploymentStrategy,
} from '../../contracts/deployment-strategy.ts';
import { deploymentBlastRadius, deploymentGate, deploymentReason } from '../../contracts/events/deployment-fields.ts';
import { deploymentDesiredStates, deploymentStatuses } from '../../contracts/names.ts';
import type { Queryable } from '../instances/view.ts';

/** What the deployer and agents_worker read of deployments. */

const activeRow = z.object({
  id: z.string(),
  deploymentName: z.string(),
  buildId: z.string(),
  previousBuildId: z.string().nullable(),
  desiredState: z.enum(deploymentDesiredStates),
  status: z.enum(deploymentStatuses),
  percentage: z.number(),
  step: z.int(),
  sequence: z.coerce.number(),
  gate: deploymentGate.nullable(),
  blastRadius: deploymentBlastRadius.nullable(),
  reason: deploymentReason.nullable(),
  held: z.int(),
  resetInstances: z.int(),
  changedAt: z.date().transform((time) => time.toISOString()),
  secondsSinceRequest: z.coerce.number(),
  /** Null before the promotion. */
  secondsSincePromotion: z.coerce.number().nullable(),
});

/** A deployment that has not ended, with its strategy. If that cannot be followed, `problem` says why, and it is the default one. */
export type ActiveDeployment = z.infer<typeof activeRow> & {
  strategy: ResolvedDeploymentStrategy;
  problem?: string;
};

/** @returns undefined if no deployment of the name is active */
export async function readActiveDeployment(pool: Pool, deploymentName: string): Promise<ActiveDeployment | undefined> {
  const { rows } = await pool.query<{ strategy: unknown }>(
    `select d.id, d.deployment_name as "deploymentName", d.build_id as "buildId", d.previous_build_id as "previousBuildId",
       d.desired_state as "desiredState", d.status, d.percentage, d.step, d.sequence, d.gate, d.blast_radius as "blastRadius", d.reason, d.held,
       d.reset_instances as "resetInstances", d.strategy, d.updated_at as "changedAt",
       extract(epoch from clock_timestamp() - d.requested_at) as "secondsSinceRequest",
       extract(epoch from clock_timestamp() - d.promoted_at) as "secondsSincePromotion"
     from deployments d where d.deployment_name = $1 and d.ended_at is null`,
    [deploymentName],
  );
  if (rows[0] === undefined) return undefined;
  const { strategy, ...row } = rows[0];
  const active = activeRow.parse(row);
  try {
    return { ...active, strategy: resolveDeploymentStrategy(strategy) };
  } catch (error) {
    if (!(error instanceof InvalidDeploymentStrategy)) throw error;
    return { ...active, strategy: resolveDeploymentStrategy({}), problem: error.message };
  }
}

/** @returns the names with a deployment that has not ended; those that changed just now are left out */
export async function findNamesWithDeployment(pool: Pool, graceSeconds: number): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select deployment_name as name from deployments
     where ended_at is null and updated_at < clock_timestamp() - make_interval(secs => $1) order by deployment_name`,
    [graceSeconds],
  );
  return rows.map(({ name }) => name);
}

/** @returns the deployment names that agents_workers have had */
export async function findDeploymentNames(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    'select deployment_name as name from worker_deployments order by deployment_name',
  );
  return rows.map(({ name }) => name);
}
