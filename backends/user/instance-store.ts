import type { Pool } from 'pg';
import { canBeRetried, type Queryable } from '../../database/instance-view.ts';
import { notFound, ProblemError } from '../http/problem.ts';
import { explainRefusal } from '../http/refusals.ts';
import type { Identity } from '../http/tokens.ts';
import { readCursor, toCursor } from './cursor.ts';
import type { Instance, InstanceChange, InstanceFilter, ListedInstance, NewInstance } from './instance-schemas.ts';

/** Nobody's instances but the user's own exist for a user; for an admin, all do. */
function ownerOf({ userId, isAdmin }: Identity): string | null {
  return isAdmin ? null : userId;
}

const time = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const listedColumns = `i.id, i.agent_id, a.name as agent_name, a.version as agent_version,
  a.retired_at is not null as agent_retired, i.user_id, i.desired_state, i.status, i.metadata -> 'status_reason' as reason,
  i.metadata - 'status_reason' as metadata, i.generation::float8, i.observed_generation::float8, i.sequence::float8,
  ${time('i.created_at')} as created_at, ${time('i.updated_at')} as updated_at`;
const columns = `${listedColumns}, i.config`;

/** @throws ProblemError when the caller has no such instance */
export async function readInstance(database: Queryable, caller: Identity, id: string): Promise<Instance> {
  const { rows } = await database.query<Instance>(
    `select ${columns} from instances i left join agents a on a.id = i.agent_id
     where i.id = $1 and ($2::uuid is null or i.user_id = $2)`,
    [id, ownerOf(caller)],
  );
  return single(rows, id);
}

export interface InstancePage {
  instances: ListedInstance[];
  next_cursor: string | null;
}

/** The newest first. */
export async function listInstances(pool: Pool, caller: Identity, filter: InstanceFilter): Promise<InstancePage> {
  const { status, agent_id: agentId, user_id: userId, limit, cursor } = filter;
  if (!caller.isAdmin && userId !== undefined && userId !== caller.userId) {
    throw new ProblemError(403, 'forbidden', 'user_id: the instances of others are for admins.');
  }
  const place = cursor === undefined ? undefined : readCursor(cursor);
  const { rows } = await pool.query<ListedInstance & { place: string }>(
    `select ${listedColumns}, to_char(i.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as place
     from instances i left join agents a on a.id = i.agent_id
     where ($1::uuid is null or i.user_id = $1) and ($2::text is null or i.status = $2)
       and ($3::uuid is null or i.agent_id = $3)
       and ($4::timestamptz is null or (i.created_at, i.id) < ($4, $5::uuid))
     order by i.created_at desc, i.id desc limit $6`,
    [userId ?? ownerOf(caller), status, agentId, place?.createdAt, place?.id, limit + 1],
  );
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    instances: shown,
    next_cursor: rows.length > limit && last ? toCursor({ createdAt: last.place, id: last.id }) : null,
  };
}

/** To be called in a transaction. @throws ProblemError when its agent cannot be used, or the table refuses it */
export async function insertInstance(database: Queryable, caller: Identity, given: NewInstance): Promise<Instance> {
  await assertUsable(database, given.agent_id);
  const { rows } = await database
    .query<{ id: string }>(
      'insert into instances (agent_id, user_id, config, desired_state) values ($1, $2, $3, $4) returning id',
      [given.agent_id, caller.userId, JSON.stringify(given.config), given.desired_state],
    )
    .catch(refuse);
  return readInstance(database, caller, single(rows, '').id);
}

/** To be called in a transaction. @throws ProblemError when there is none, or it cannot be changed like that */
export async function changeInstance(
  database: Queryable,
  caller: Identity,
  id: string,
  change: InstanceChange,
): Promise<Instance> {
  const before = await readInstance(database, caller, id);
  if (change.agent_id !== undefined && change.agent_id !== before.agent_id) {
    await assertUsable(database, change.agent_id);
  }
  await database
    .query(
      `update instances set agent_id = coalesce($2, agent_id), config = coalesce($3, config),
         desired_state = coalesce($4, desired_state)
       where id = $1`,
      [id, change.agent_id, change.config && JSON.stringify(change.config), change.desired_state],
    )
    .catch(refuse);
  return readInstance(database, caller, id);
}

/** To be called in a transaction. @returns it as it was @throws ProblemError when there is none */
export async function deleteInstance(database: Queryable, caller: Identity, id: string): Promise<Instance> {
  const before = await readInstance(database, caller, id);
  const { rowCount } = await database.query('delete from instances where id = $1', [id]);
  if (rowCount === 0) throw notFound(`instance ${id}`);
  return before;
}

/** @throws ProblemError when there is nothing to try again */
export async function assertRetryable(database: Queryable, caller: Identity, id: string): Promise<Instance> {
  const found = await readInstance(database, caller, id);
  if (canBeRetried(found)) return found;
  const advice = found.desired_state === 'stopped' ? ' To run it, start it.' : '';
  throw new ProblemError(409, 'not_retryable', `It is ${found.status}: there is nothing to try again.${advice}`);
}

/** Whose instance it is, or was when it was deleted; undefined for an id that never was one. */
export async function findOwner(database: Queryable, id: string): Promise<string | undefined> {
  const { rows } = await database.query<{ owner: string | null }>(
    `select coalesce(
       (select user_id::text from instances where id = $1),
       (select user_id from event_history where entity_id = $1 order by sequence desc limit 1)) as owner`,
    [id],
  );
  return rows[0]?.owner ?? undefined;
}

async function assertUsable(database: Queryable, agentId: string): Promise<void> {
  const { rows } = await database.query<{ retired: boolean }>(
    'select retired_at is not null as retired from agents where id = $1',
    [agentId],
  );
  const [agent] = rows;
  if (!agent) throw new ProblemError(422, 'agent_unknown', `There is no agent ${agentId}. See GET /v1/agents.`);
  if (agent.retired) {
    throw new ProblemError(422, 'agent_retired', `The agent ${agentId} is retired: choose another one.`);
  }
}

function refuse(error: unknown): never {
  throw explainRefusal(error);
}

function single<Row>(rows: Row[], id: string): Row {
  const [row] = rows;
  if (row === undefined) throw notFound(`instance ${id}`);
  return row;
}
