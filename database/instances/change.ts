import type { ClientBase } from 'pg';
import type { DesiredState, VersionPolicy } from '../../contracts/names.ts';
import { firstRow, isOwned, selectRows, type InstanceRow, type Queryable } from './view.ts';

/** No instance can be created with the agent, or changed to it. The message does not say what to do about it. */
export class UnusableAgent extends Error {
  override name = 'UnusableAgent';
  readonly code: 'agent_unknown' | 'agent_retired';

  constructor(code: UnusableAgent['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface NewInstance {
  agentId: string;
  userId: string;
  desiredState: DesiredState;
  /** The version to run; the stable one if it is left out. */
  agentVersion?: string | undefined;
  versionPolicy?: VersionPolicy | undefined;
  /**
   * JSON text of an object whose member `config` becomes the config; `{}` if it has none. PostgreSQL parses the text,
   * because JavaScript would round long numbers.
   */
  json: string;
}

/**
 * An engine may only start an instance whose agent is published and not retired, so this refuses any other agent.
 *
 * @throws UnusableAgent; the database's error if it refuses the row
 */
export async function createInstance(database: Queryable, instance: NewInstance): Promise<InstanceRow> {
  const { agentId, userId, desiredState, agentVersion, versionPolicy = 'follow', json } = instance;
  await refuseUnusable(database, agentId);
  const created = await database.query(
    `with created as (
       insert into instances (agent_id, user_id, config, desired_state, agent_version, version_policy)
       values ($1, $2, coalesce($3::jsonb -> 'config', '{}'), $4, $5, $6) returning *)
     ${selectRows('created')}`,
    [agentId, userId, json, desiredState, agentVersion, versionPolicy],
  );
  return firstRow(created) as InstanceRow;
}

/** Members that are left out stay as they are. */
export interface InstanceChange {
  agentId?: string | undefined;
  desiredState?: DesiredState | undefined;
  /** A version of the agent, or of the new one. If it is left out, a new agent gives its stable version. */
  agentVersion?: string | undefined;
  versionPolicy?: VersionPolicy | undefined;
  /** JSON text of an object whose member `config`, if it has one, becomes the config. */
  json?: string | undefined;
}

/**
 * A change of the agent needs a client within a transaction: the row is locked until the new agent is checked.
 *
 * @returns undefined if no such row exists, or if it belongs to another user than the given owner
 * @throws UnusableAgent if the agent changes to it; the database's error if it refuses the row
 */
export async function changeInstance(
  client: ClientBase,
  id: string,
  change: InstanceChange,
  ownerId: string | null = null,
): Promise<InstanceRow | undefined> {
  const { agentId, desiredState, agentVersion, versionPolicy, json } = change;
  if (agentId !== undefined) {
    const { rows } = await client.query<{ changes: boolean }>(
      `select i.agent_id <> $3 as changes from instances i where ${isOwned} for update`,
      [id, ownerId, agentId],
    );
    // An instance keeps its agent, even if the agent was retired since.
    if (rows[0]?.changes) await refuseUnusable(client, agentId);
  }
  const changed = await client.query(
    `with changed as (
       update instances i set agent_id = coalesce($3, i.agent_id), config = coalesce($4::jsonb -> 'config', i.config),
         desired_state = coalesce($5, i.desired_state), agent_version = coalesce($6, i.agent_version),
         version_policy = coalesce($7, i.version_policy)
       where ${isOwned} returning i.*)
     ${selectRows('changed')}`,
    [id, ownerId, agentId, json, desiredState, agentVersion, versionPolicy],
  );
  const row = firstRow(changed);
  const isOther = row && agentVersion !== undefined && row.agent_version !== agentVersion;
  // The new agent gave its stable version, as the wanted one has the name of the one before, of the other agent.
  return isOther ? changeInstance(client, id, { agentVersion }, ownerId) : row;
}

/** @returns the row as it was; undefined if there was none, or if it belongs to another user than the given owner */
export async function deleteInstance(
  database: Queryable,
  id: string,
  ownerId: string | null = null,
): Promise<InstanceRow | undefined> {
  return firstRow(
    await database.query(
      `with deleted as (delete from instances i where ${isOwned} returning i.*) ${selectRows('deleted')}`,
      [id, ownerId],
    ),
  );
}

/** Reads the table: a catalog in memory may not know of a retirement yet. */
async function refuseUnusable(database: Queryable, agentId: string): Promise<void> {
  const { rows } = await database.query<{ retired: boolean }>(
    'select retired_at is not null as retired from agents where id = $1',
    [agentId],
  );
  if (!rows[0]) throw new UnusableAgent('agent_unknown', `There is no agent ${agentId}.`);
  if (rows[0].retired) throw new UnusableAgent('agent_retired', `The agent ${agentId} is retired.`);
}
