import pg from 'pg';
import { InvalidDeploymentStrategy, resolveDeploymentStrategy } from '../../contracts/deployment-strategy.ts';
import { buildIdPattern, deploymentNamePattern } from '../../contracts/names.ts';
import type { Queryable } from '../instances/view.ts';

/** What people ask of deployments. */

type RefusalCode =
  | 'deployment_name_unknown'
  | 'agent_unknown'
  | 'deployment_active'
  | 'build_current'
  | 'deployment_ended'
  | 'deployment_ending'
  | 'deployment_promoted'
  | 'no_previous_build'
  | 'previous_build_absent'
  | 'invalid_name'
  | 'idempotency_key_reused'
  | 'invalid_strategy';

/** A request that cannot be followed. The message says why, and what to do. */
export class DeploymentRefused extends Error {
  override name = 'DeploymentRefused';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

export interface NewDeployment {
  deploymentName: string;
  buildId: string;
  strategy: object;
  requestedBy: string;
  /** A repeat of the same requester with the same key requests nothing. */
  key?: string | undefined;
}

/**
 * @param database within a transaction, if the request has a key
 * @throws DeploymentRefused; the database's error if it refuses the row otherwise
 */
export async function requestDeployment(
  database: Queryable,
  { deploymentName, buildId, strategy, requestedBy, key }: NewDeployment,
): Promise<{ id: string; isRepeated: boolean }> {
  checkNames({ deploymentName, buildId });
  const json = await checkDeploymentStrategy(database, strategy);
  if (key !== undefined) {
    const id = await findRepeated(database, [requestedBy, key, deploymentName, buildId, json]);
    if (id !== undefined) return { id, isRepeated: true };
  }
  const { rows } = await database
    .query<{ id: string }>(
      `insert into deployments (deployment_name, build_id, strategy, requested_by, request_key)
       values ($1, $2, $3, left($4, 200), $5) returning id`,
      [deploymentName, buildId, json, requestedBy, key],
    )
    .catch((error: unknown) => {
      throw deploymentRefusalOf(error, { deploymentName, buildId }) ?? error;
    });
  if (!rows[0]) throw new Error('The deployment has no row.');
  return { id: rows[0].id, isRepeated: false };
}

/** Concurrent requests with one key wait for the first. @throws DeploymentRefused if the key was used for something else */
async function findRepeated(database: Queryable, request: readonly string[]): Promise<string | undefined> {
  await database.query('select pg_advisory_xact_lock(hashtextextended($1, 63))', [request.slice(0, 2).join(' ')]);
  const { rows } = await database.query<{ id: string; same: boolean }>(
    `select id, (deployment_name, build_id, strategy) = ($3, $4, $5::jsonb) as same from deployments
     where requested_by = left($1, 200) and request_key = $2`,
    [...request],
  );
  if (rows[0]?.same === false) {
    throw new DeploymentRefused(
      'idempotency_key_reused',
      'This Idempotency-Key was used for another deployment. Use a new key for each deployment.',
    );
  }
  return rows[0]?.id;
}

export const deploymentActions = ['pause', 'resume', 'promote', 'rollback', 'abort'] as const;
export type DeploymentAction = (typeof deploymentActions)[number];

const wishes: Readonly<Record<DeploymentAction, string>> = {
  pause: 'paused',
  resume: 'running',
  promote: 'promoted',
  rollback: 'rolled_back',
  abort: 'aborted',
};

/**
 * A repeated request changes nothing.
 *
 * @returns false if there is no such deployment
 * @throws DeploymentRefused if the deployment does not allow the action
 */
export async function changeDeployment(database: Queryable, id: string, action: DeploymentAction): Promise<boolean> {
  const { rows } = await database
    .query<{ status: string; ended: boolean }>(
      'update deployments set desired_state = $2 where id = $1 returning status, ended_at is not null as ended',
      [id, wishes[action]],
    )
    .catch((error: unknown) => {
      throw deploymentRefusalOf(error) ?? error;
    });
  const [row] = rows;
  if (!row) return false;
  // The database has nothing against a request that changes no column.
  if (row.ended) throw new DeploymentRefused('deployment_ended', hasEnded(row.status));
  if (row.status === 'rolling_back' && action !== 'rollback' && action !== 'abort') {
    throw new DeploymentRefused('deployment_ending', isEnding);
  }
  return true;
}

/** @throws DeploymentRefused */
function checkNames({ deploymentName, buildId }: { deploymentName: string; buildId: string }): void {
  const refuse = (message: string): never => {
    throw new DeploymentRefused('invalid_name', message);
  };
  if (!deploymentNamePattern.test(deploymentName)) {
    refuse(
      'A deployment name has 1 to 128 letters, digits, hyphens, underscores and slashes, and begins with a letter or digit. ' +
        'It has no dot, because Temporal joins it and the build id with one.',
    );
  }
  if (!buildIdPattern.test(buildId)) {
    refuse(
      'A build id has 1 to 128 letters, digits, dots, hyphens, underscores and plus signs, and begins with a letter or digit.',
    );
  }
}

/** @returns the strategy as JSON. @throws DeploymentRefused */
async function checkDeploymentStrategy(database: Queryable, strategy: object): Promise<string> {
  const { canaryAgentId } = resolve(strategy);
  if (canaryAgentId !== null) {
    const { rows } = await database.query('select from agents where id = $1 and retired_at is null', [canaryAgentId]);
    if (rows.length === 0) {
      throw new DeploymentRefused(
        'agent_unknown',
        `The canary cannot run: there is no agent ${canaryAgentId}, or it is retired. Name another one as canary_agent_id.`,
      );
    }
  }
  return JSON.stringify(strategy);
}

function resolve(strategy: object) {
  try {
    return resolveDeploymentStrategy(strategy);
  } catch (error) {
    if (!(error instanceof InvalidDeploymentStrategy)) throw error;
    throw new DeploymentRefused('invalid_strategy', error.message, { cause: error });
  }
}

/** @returns undefined for an error that says something else */
export function deploymentRefusalOf(
  error: unknown,
  { deploymentName = '', buildId = '' }: { deploymentName?: string; buildId?: string } = {},
): DeploymentRefused | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  const refuse = (code: RefusalCode, message: string): DeploymentRefused =>
    new DeploymentRefused(code, message, { cause: error });
  switch (error.constraint) {
    case 'deployments_name_exists':
      return refuse(
        'deployment_name_unknown',
        `No agents_worker has had the deployment name ${deploymentName}. Start one with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID.`,
      );
    case 'deployments_one_active':
      return refuse(
        'deployment_active',
        `Another deployment of ${deploymentName} is active. Wait until it has ended, or abort it or roll it back.`,
      );
    case 'deployments_build_is_not_current':
      return refuse('build_current', `The build ${buildId} is the current one already. Deploy another build.`);
    case 'deployments_has_not_ended':
      return refuse('deployment_ended', hasEnded(/ended as (\w+)/.exec(error.message)?.[1]));
    case 'deployments_is_not_ending':
      return refuse('deployment_ending', isEnding);
    case 'deployments_is_not_promoted':
      return refuse('deployment_promoted', 'The deployment is promoted already. It can only be rolled back.');
    case 'deployments_has_a_previous_build':
      return refuse(
        'no_previous_build',
        'The deployment cannot be rolled back: no build was current before, and Temporal gives no instance back to workers without ' +
          'a build. Deploy another build.',
      );
    case 'deployments_previous_build_runs':
      return refuse(
        'previous_build_absent',
        `The deployment cannot be rolled back: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}. ` +
          'Start an agents_worker of that build, and roll back then.',
      );
    default:
      return undefined;
  }
}

const isEnding = 'The deployment is ending already, and nothing else can be asked of it. Wait until it has ended.';
const hasEnded = (status = 'ended'): string =>
  `The deployment has ended already: its status is ${status}. Request another one.`;
