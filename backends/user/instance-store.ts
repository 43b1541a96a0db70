import type { Pool, PoolClient } from 'pg';
import * as rows from '../../database/instances/change.ts';
import { readInstance, type InstanceRow } from '../../database/instances/view.ts';
import { inTransaction } from '../../database/transaction.ts';
import { wholePast, type Past } from '../../explain/past.ts';
import { notFound, ProblemError } from '../http/problem.ts';
import { refusalOf, type Explained } from '../http/refusal.ts';
import { withTimesAsText } from '../http/times.ts';
import type { Identity } from '../http/tokens.ts';
import { createOnce } from './idempotency.ts';
import type { Instance } from './schemas.ts';

/** Instances as a caller may see and change them: users their own, admins those of all users. */

/** The caller and the request, as a write needs them. */
export interface Writing {
  identity: Identity;
  /** The JSON of the body as it was sent. PostgreSQL parses it, because JavaScript would round long numbers. */
  bodyText: string;
  /** Header of the request (https://www.w3.org/TR/trace-context/). The events of the write belong to that trace. */
  traceparent: string | undefined;
}

export interface Creation extends Writing {
  agentId: string;
  desiredState: rows.NewInstance['desiredState'];
  agentVersion?: rows.NewInstance['agentVersion'];
  versionPolicy?: rows.NewInstance['versionPolicy'];
  idempotencyKey: string | undefined;
}

/** @throws ProblemError if there is no such instance that the caller may see */
export async function readVisibleInstance(pool: Pool, identity: Identity, id: string): Promise<Instance> {
  return orNotFound(await readInstance(pool, id, ownerOf(identity)), id);
}

/** @throws ProblemError if the agent cannot be used, the key was used with another body, or the row is refused */
export async function createInstance(pool: Pool, creation: Creation): Promise<{ answer: Instance; isReplay: boolean }> {
  const { identity, bodyText, agentId, desiredState, agentVersion, versionPolicy, idempotencyKey: key } = creation;
  const { userId } = identity;
  const wanted = { agentId, userId, desiredState, agentVersion, versionPolicy, json: bodyText };
  return write(pool, creation, async (client) => {
    const create = async (): Promise<Instance> => toInstance(await rows.createInstance(client, wanted));
    if (key === undefined) return { answer: await create(), isReplay: false };
    return createOnce(client, { userId, key, bodyText }, create);
  });
}

/**
 * @param change with `json`, if the config is to change
 * @throws ProblemError if there is no such instance, its new agent cannot be used, or the row is refused
 */
export async function changeInstance(
  pool: Pool,
  writing: Writing,
  id: string,
  change: rows.InstanceChange,
): Promise<Instance> {
  return write(pool, writing, async (client) =>
    orNotFound(await rows.changeInstance(client, id, change, ownerOf(writing.identity)), id),
  );
}

/** @returns the instance as it was. @throws ProblemError if there is no such instance */
export async function deleteInstance(pool: Pool, writing: Writing, id: string): Promise<Instance> {
  return write(pool, writing, async (client) =>
    orNotFound(await rows.deleteInstance(client, id, ownerOf(writing.identity)), id),
  );
}

/**
 * The part of the past of an instance that the caller may see. Admins see all of it. Its owner (the last one, if it is deleted)
 * sees what happened since it became theirs: an id may have belonged to the instance of another user before.
 *
 * @throws ProblemError if the caller may see nothing of it
 */
export async function readVisiblePast(pool: Pool, { userId, isAdmin }: Identity, id: string): Promise<Past> {
  const { rows: found } = await pool.query<{ user_id: string; first: string; since: Date }>(
    `with last as (
       select user_id from event_history where entity_id = $1 and user_id is not null order by sequence desc limit 1)
     select h.user_id, h.sequence as first, h.occurred_at as since from event_history h, last
     where h.entity_id = $1 and h.user_id = last.user_id and h.sequence > coalesce((
       select max(o.sequence) from event_history o where o.entity_id = $1 and o.user_id <> last.user_id), 0)
     order by h.sequence limit 1`,
    [id],
  );
  const [owned] = found;
  if (!owned || (owned.user_id !== userId && !isAdmin)) throw notFound(`instance ${id}`);
  const fromSequence = Number(owned.first);
  // Before its first version it belonged to nobody. Comparing times then could hide something, as clocks of servers differ.
  return isAdmin || fromSequence === 1 ? wholePast : { fromSequence, since: owned.since };
}

async function write<Result>(
  pool: Pool,
  { traceparent }: Writing,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  try {
    return await inTransaction(pool, traceparent, work);
  } catch (error) {
    if (!(error instanceof rows.UnusableAgent)) throw refusalOf(error, explained) ?? error;
    const advice = 'See GET /v1/agents for the agents that can be used.';
    throw new ProblemError(422, error.code, `${error.message} ${advice}`, { cause: error });
  }
}

const explained: Explained = {
  instances_agent_version_exists: [
    422,
    'agent_version_unknown',
    'The agent has no such version. Leave agent_version out for its stable version.',
  ],
  instances_agent_version_is_not_withdrawn: [
    422,
    'agent_version_withdrawn',
    'This version of the agent was withdrawn. Leave agent_version out for its stable version.',
  ],
  instances_limit_of_user: [409, 'user_limit_reached'],
  instances_limit_of_agent: [409, 'agent_limit_reached'],
  instances_config_at_most_4_mib: [422, 'row_refused', 'config is larger than 4 MiB, as PostgreSQL writes it.'],
};

/** The user whose instances the caller may see; null for those of all users. */
function ownerOf({ isAdmin, userId }: Identity): string | null {
  return isAdmin ? null : userId;
}

function orNotFound(row: InstanceRow | undefined, id: string): Instance {
  if (!row) throw notFound(`instance ${id}`);
  return toInstance(row);
}

function toInstance(row: InstanceRow): Instance {
  const { agent_runtime: _, ...shown } = row;
  return withTimesAsText(shown);
}
