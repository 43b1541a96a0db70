import type { Pool } from 'pg';
import {
  mostExamples,
  type DeploymentBlastRadius,
  type DeploymentGate,
} from '../../contracts/events/deployment-fields.ts';
import type {
  DeploymentDesiredState,
  DeploymentFinding,
  DeploymentReason,
  DeploymentStatus,
} from '../../contracts/names.ts';
import type { Queryable } from '../instances/view.ts';

/** The functions by which alone the deployer writes to deployments. A repeated call does nothing twice. */

/** What is left out stays as it is, but `reason`: without one, the deployment has none from then on. */
export interface DeploymentChange {
  status: DeploymentStatus;
  percentage?: number;
  step?: number;
  gate?: DeploymentGate;
  blastRadius?: DeploymentBlastRadius;
  held?: number;
  resetInstances?: number;
  previousBuildId?: string | null;
  reason?: DeploymentReason;
  /** The deployment waits for a person: its desired state becomes `paused`. */
  pauses?: boolean;
  /** Of the row on which the change was decided. Once the row has another one, nothing is written. */
  sequence?: number;
}

/**
 * An ended deployment stays as it is, a rollback can only end, and a promotion is never taken back by a late call.
 *
 * @returns what the row says then; undefined if it is gone
 */
export async function recordDeployment(
  pool: Pool,
  id: string,
  { status, blastRadius, resetInstances, previousBuildId, gate, reason, ...others }: DeploymentChange,
): Promise<{ status: DeploymentStatus; desiredState: DeploymentDesiredState } | undefined> {
  const changes = {
    ...others,
    gate: gate && {
      ...gate,
      problems: gate.problems.slice(0, mostExamples).map((problem) => short(problem)),
      examples: first(gate.examples),
    },
    blast_radius: blastRadius && { ...blastRadius, examples: first(blastRadius.examples) },
    reset_instances: resetInstances,
    previous_build_id: previousBuildId,
    reason: reason && { code: reason.code, message: short(reason.message, 1_000) },
  };
  const { rows } = await pool.query<{ status: DeploymentStatus; desiredState: DeploymentDesiredState }>(
    'select status, desired_state as "desiredState" from record_deployment($1, $2, $3)',
    [id, status, JSON.stringify(changes)],
  );
  return rows[0];
}

export interface FoundInstance {
  instanceId: string;
  message: string;
}

/** @param replaces whether these are all instances with the finding: others lose it */
export async function recordDeploymentInstances(
  pool: Pool,
  id: string,
  finding: DeploymentFinding,
  found: readonly FoundInstance[],
  { replaces = false }: { replaces?: boolean } = {},
): Promise<void> {
  const json = found.map(({ instanceId, message }) => ({ instance_id: instanceId, message: short(message, 1_000) }));
  await pool.query('select record_deployment_instances($1, $2, $3, $4)', [id, finding, JSON.stringify(json), replaces]);
}

export async function healDeploymentInstances(
  pool: Pool,
  id: string,
  finding: DeploymentFinding,
  instanceIds: readonly string[],
): Promise<void> {
  await pool.query('select heal_deployment_instances($1, $2, $3)', [id, finding, instanceIds]);
}

/** How Temporal routes the tasks of a deployment name. A build that is null is none: tasks go to workers without a build. */
export interface Routing {
  deploymentName: string;
  currentBuildId: string | null;
  rampingBuildId: string | null;
  rampingPercentage: number;
}

export async function recordRouting(
  pool: Pool,
  { deploymentName, currentBuildId, rampingBuildId, rampingPercentage }: Routing,
): Promise<void> {
  await pool.query('select record_routing($1, $2, $3, $4)', [
    deploymentName,
    currentBuildId,
    rampingBuildId,
    rampingPercentage,
  ]);
}

/**
 * Inserts the instance that is run on the candidate before any other. It has the metadata `{"deployment_id": id}`, and the id of the
 * deployment as its owner, so that no user sees it.
 *
 * @returns its id; undefined if the strategy names no agent for it
 */
export async function insertCanary(database: Queryable, id: string): Promise<string | undefined> {
  const { rows } = await database.query<{ id: string | null }>('select insert_canary($1) as id', [id]);
  return rows[0]?.id ?? undefined;
}

export async function deleteCanary(pool: Pool, id: string): Promise<void> {
  await pool.query('select delete_canary($1)', [id]);
}

function first<Example extends object>(examples: readonly Example[]): Example[] {
  return examples
    .slice(0, mostExamples)
    .map(
      (example) =>
        Object.fromEntries(
          Object.entries(example).map(([name, value]: [string, unknown]) => [
            name,
            typeof value === 'string' ? short(value) : value,
          ]),
        ) as Example,
    );
}

/** Texts of failures have any length, and characters that PostgreSQL does not store. */
function short(text: string, length = 300): string {
  return text
    .slice(0, length)
    .replaceAll('\0', '')
    .replaceAll(/\p{Surrogate}/gu, '\uFFFD');
}
