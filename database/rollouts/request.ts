import pg from 'pg';
import { InvalidStrategy, resolveStrategy } from '../../contracts/rollout-strategy.ts';
import type { Queryable } from '../instances/view.ts';

/** What people ask of rollouts. */

type RefusalCode =
  | 'agent_unknown'
  | 'agent_retired'
  | 'version_unknown'
  | 'version_withdrawn'
  | 'rollout_active'
  | 'rollout_ended'
  | 'rollout_ending'
  | 'invalid_strategy';

/** A request that cannot be followed. The message says why, and what to do. */
export class RolloutRefused extends Error {
  override name = 'RolloutRefused';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

export interface NewRollout {
  agentId: string;
  version: string;
  strategy: object;
  requestedBy: string;
}

/**
 * @param readyTimeoutOf reads `ready_timeout_seconds` of a runtime
 * @returns the id of the rollout
 * @throws RolloutRefused; the database's error if it refuses the row otherwise
 */
export async function requestRollout(
  database: Queryable,
  { agentId, version, strategy, requestedBy }: NewRollout,
  readyTimeoutOf: (runtime: unknown) => number,
): Promise<string> {
  const { rows: found } = await database.query<{ runtime: unknown }>(
    `select v.runtime from agents a left join agent_versions v on v.agent_id = a.id and v.version = $2 where a.id = $1`,
    [agentId, version],
  );
  if (!found[0]) throw new RolloutRefused('agent_unknown', `There is no agent ${agentId}.`);
  if (found[0].runtime === null) throw unknownVersion(agentId, version);
  const json = checkStrategy(strategy, readyTimeoutOf(found[0].runtime));
  const { rows } = await database
    .query<{ id: string }>(
      'insert into rollouts (agent_id, version, strategy, requested_by) values ($1, $2, $3, left($4, 200)) returning id',
      [agentId, version, json, requestedBy],
    )
    .catch((error: unknown) => {
      throw rolloutRefusalOf(error, { agentId, version }) ?? error;
    });
  if (!rows[0]) throw new Error('The rollout has no row.');
  return rows[0].id;
}

export const rolloutActions = ['pause', 'resume', 'promote', 'abort'] as const;
export type RolloutAction = (typeof rolloutActions)[number];

const assignments: Readonly<Record<RolloutAction, string>> = {
  pause: `desired_state = 'paused'`,
  resume: `desired_state = 'running'`,
  promote: 'promoted = true',
  abort: `desired_state = 'aborted'`,
};

/**
 * A repeated request changes nothing.
 *
 * @returns false if there is no such rollout
 * @throws RolloutRefused if the rollout has ended or is ending
 */
export async function changeRollout(database: Queryable, id: string, action: RolloutAction): Promise<boolean> {
  const { rows } = await database
    .query<{ status: string; desired_state: string; ended: boolean }>(
      `update rollouts set ${assignments[action]} where id = $1 returning status, desired_state, ended_at is not null as ended`,
      [id],
    )
    .catch((error: unknown) => {
      throw rolloutRefusalOf(error) ?? error;
    });
  const [row] = rows;
  if (!row) return false;
  // The database has nothing against a request that changes no column.
  if (row.ended) throw new RolloutRefused('rollout_ended', hasEnded(row.status));
  if (row.status === 'rolling_back' && action !== 'abort') throw new RolloutRefused('rollout_ending', isEnding);
  return true;
}

/** @returns the strategy as JSON. @throws RolloutRefused */
export function checkStrategy(strategy: object, readyTimeoutSeconds: number): string {
  try {
    resolveStrategy(strategy, readyTimeoutSeconds);
    return JSON.stringify(strategy);
  } catch (error) {
    if (error instanceof InvalidStrategy) throw new RolloutRefused('invalid_strategy', error.message, { cause: error });
    if (!(error instanceof RangeError)) throw error;
    throw new RolloutRefused('invalid_strategy', 'The strategy is invalid: it is nested too deep.', { cause: error });
  }
}

/** @returns undefined for an error that says something else */
export function rolloutRefusalOf(
  error: unknown,
  { agentId = '', version = '' }: { agentId?: string; version?: string } = {},
): RolloutRefused | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  const refuse = (code: RefusalCode, message: string): RolloutRefused =>
    new RolloutRefused(code, message, { cause: error });
  switch (error.constraint) {
    case 'rollouts_version_exists':
      return unknownVersion(agentId, version, error);
    case 'rollouts_agent_is_in_use':
      return refuse('agent_retired', 'The agent is retired, so none of its versions is rolled out. Publish it again.');
    case 'rollouts_version_is_not_withdrawn':
      return refuse('version_withdrawn', 'The version was withdrawn. Publish another version, and roll that out.');
    case 'rollouts_one_active':
      return refuse(
        'rollout_active',
        'Another rollout of the agent is active. Wait for it, abort it, or say in the strategy with on_new_version whether this ' +
          'rollout is to supersede it or to queue behind it.',
      );
    case 'rollouts_has_not_ended':
      return refuse('rollout_ended', hasEnded(/ended as (\w+)/.exec(error.message)?.[1]));
    case 'rollouts_is_not_ending':
      return refuse('rollout_ending', isEnding);
    default:
      return undefined;
  }
}

function unknownVersion(agentId: string, version: string, cause?: unknown): RolloutRefused {
  return new RolloutRefused('version_unknown', `There is no version ${version} of the agent ${agentId}.`, { cause });
}

const hasEnded = (status = 'ended'): string =>
  `The rollout has ended already: its status is ${status}. Begin another one.`;
const isEnding = 'The rollout is ending already, and nothing else can be asked of it. Wait until it has ended.';
