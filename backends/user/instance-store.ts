import type { Pool, PoolClient } from 'pg';
import { notFound, ProblemError } from '../http/problem.ts';
import type { Identity } from '../http/tokens.ts';
import { wholePast, type Past } from '../../explain/past.ts';
import { createOnce } from './idempotency.ts';
import { selectFrom, selectInstances, toInstance } from './instance-rows.ts';
import type { Instance, InstanceChange } from './schemas.ts';
import { inTransaction, type TransactionOptions } from './transaction.ts';

/** Who asks, for what. `bodyText` is the JSON of the request: PostgreSQL reads the config from it, which JavaScript would change. */
export interface Writing extends TransactionOptions {
  identity: Identity;
  bodyText: string;
}

export interface Creation extends Writing {
  agentId: string;
  desiredState: string;
  idempotencyKey: string | undefined;
}

/** `$2`: the user whose instances are meant, or null for those of all. */
const mine = 'i.id = $1 and ($2::uuid is null or i.user_id = $2)';

/** @throws ProblemError when there is none that the caller may see */
export async function readInstance(pool: Pool, identity: Identity, id: string): Promise<Instance> {
  const { rows } = await pool.query(`${selectInstances} where ${mine}`, [id, ownerOf(identity)]);
  return single(rows, id);
}

/** @throws ProblemError when the agent cannot be used, the key came with another body, or the row is refused */
export async function createInstance(pool: Pool, creation: Creation): Promise<{ answer: Instance; isReplay: boolean }> {
  const { identity, bodyText, agentId, desiredState, idempotencyKey: key } = creation;
  const { userId } = identity;
  return inTransaction(pool, creation, async (client) => {
    const create = async (): Promise<Instance> => {
      await refuseUnusable(client, agentId);
      const { rows } = await client.query<{ id: string }>(
        `with created as (
           insert into instances (agent_id, user_id, config, desired_state)
           values ($1, $2, coalesce($3::jsonb -> 'config', '{}'), $4) returning *)
         ${selectFrom('created')}`,
        [agentId, userId, bodyText, desiredState],
      );
      return single(rows, '');
    };
    if (key === undefined) return { answer: await create(), isReplay: false };
    return createOnce(client, { userId, key, bodyText }, create);
  });
}

/** @throws ProblemError when there is none, its new agent cannot be used, or the row is refused */
export async function changeInstance(
  pool: Pool,
  { identity, bodyText, ...options }: Writing,
  id: string,
  { agent_id: agentId, desired_state: desiredState }: InstanceChange,
): Promise<Instance> {
  return inTransaction(pool, options, async (client) => {
    const owner = ownerOf(identity);
    if (agentId !== undefined) {
      const { rows } = await client.query<{ changes: boolean }>(
        `select i.agent_id <> $3 as changes from instances i where ${mine} for update`,
        [id, owner, agentId],
      );
      // The one that it runs already may have been retired since.
      if (rows[0]?.changes) await refuseUnusable(client, agentId);
    }
    const { rows } = await client.query(
      `with changed as (
         update instances i set agent_id = coalesce($3, i.agent_id),
           config = coalesce(nullif($4, '')::jsonb -> 'config', i.config), desired_state = coalesce($5, i.desired_state)
         where ${mine} returning i.*)
       ${selectFrom('changed')}`,
      [id, owner, agentId, bodyText, desiredState],
    );
    return single(rows, id);
  });
}

/** @returns the row as it was. @throws ProblemError when there is none */
export async function deleteInstance(pool: Pool, { identity, ...options }: Writing, id: string): Promise<Instance> {
  return inTransaction(pool, options, async (client) => {
    const { rows } = await client.query(
      `with gone as (delete from instances i where ${mine} returning i.*) ${selectFrom('gone')}`,
      [id, ownerOf(identity)],
    );
    return single(rows, id);
  });
}

/**
 * What the caller may see of the past of an instance: admins everything, its owner (the last one, where it is deleted) only what
 * was since it became theirs. An id may have been that of another user's instance before.
 *
 * @throws ProblemError when the caller may see nothing of it
 */
export async function readVisiblePast(pool: Pool, { userId, isAdmin }: Identity, id: string): Promise<Past> {
  const { rows } = await pool.query<{ user_id: string; first: string; since: Date }>(
    `with last as (
       select user_id from event_history where entity_id = $1 and user_id is not null order by sequence desc limit 1)
     select h.user_id, h.sequence as first, h.occurred_at as since from event_history h, last
     where h.entity_id = $1 and h.user_id = last.user_id and h.sequence > coalesce((
       select max(o.sequence) from event_history o where o.entity_id = $1 and o.user_id <> last.user_id), 0)
     order by h.sequence limit 1`,
    [id],
  );
  const [owned] = rows;
  if (!owned || (owned.user_id !== userId && !isAdmin)) throw notFound(`instance ${id}`);
  const fromSequence = Number(owned.first);
  // Nobody had it before its first version. Clocks of servers differ, so that nothing is left out by time without need.
  return isAdmin || fromSequence === 1 ? wholePast : { fromSequence, since: owned.since };
}

/** The row decides, since the catalog of this process may not have heard of a retirement yet. */
async function refuseUnusable(client: PoolClient, agentId: string): Promise<void> {
  const { rows } = await client.query<{ retired: boolean }>(
    'select retired_at is not null as retired from agents where id = $1',
    [agentId],
  );
  if (!rows[0]) throw new ProblemError(422, 'agent_unknown', `There is no agent ${agentId}: see GET /v1/agents.`);
  if (rows[0].retired) {
    throw new ProblemError(422, 'agent_retired', `The agent ${agentId} is retired: see GET /v1/agents for others.`);
  }
}

function ownerOf({ isAdmin, userId }: Identity): string | null {
  return isAdmin ? null : userId;
}

function single([row]: unknown[], id: string): Instance {
  if (row === undefined) throw notFound(`instance ${id}`);
  return toInstance(row);
}
