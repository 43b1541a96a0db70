import type { Client } from 'pg';
import { z } from 'zod';
import { desiredStates, instanceStatuses, reasonCodes } from '../contracts/names.ts';
import { CommandError } from './command-error.ts';
import type { IdPrefix } from './options.ts';

/** bigint comes as text; versions stay far below 2^53. */
const version = z.coerce.number();

export const statusReason = z.object({ code: z.enum(reasonCodes), message: z.string() });

/** A row of `instances` without its config, and what is known of its agent. */
export const instanceView = z.object({
  id: z.string(),
  status: z.enum(instanceStatuses),
  desired_state: z.enum(desiredStates),
  generation: version,
  observed_generation: version,
  sequence: version,
  agent_id: z.string(),
  /** Null when the agent was not published. */
  agent_name: z.string().nullable(),
  agent_version: z.string().nullable(),
  agent_retired: z.boolean(),
  /** What it runs on, as stored. */
  agent_runtime: z.string().nullable(),
  user_id: z.string(),
  reason: statusReason.nullable().catch(null),
  created_at: z.date(),
  updated_at: z.date(),
});
export type InstanceView = z.infer<typeof instanceView>;

export const instanceViewQuery = `
  select i.id, i.status, i.desired_state, i.generation, i.observed_generation, i.sequence, i.agent_id,
    a.name as agent_name, a.version as agent_version, a.retired_at is not null as agent_retired,
    a.runtime ->> 'kind' as agent_runtime, i.user_id, i.metadata -> 'status_reason' as reason, i.created_at, i.updated_at
  from instances i left join agents a on a.id = i.agent_id`;

/** @returns undefined when the row is gone */
export async function readInstance(client: Client, id: string): Promise<InstanceView | undefined> {
  const { rows } = await client.query(`${instanceViewQuery} where i.id = $1`, [id]);
  return rows[0] === undefined ? undefined : instanceView.parse(rows[0]);
}

const shownCandidates = 5;

/** The one instance that has a row and an id of that beginning. @throws CommandError when none or several have */
export async function resolveInstance(client: Client, prefix: IdPrefix): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `select id from instances where id between $1 and $2 order by id limit ${shownCandidates + 1}`,
    [prefix.lowest, prefix.highest],
  );
  return single(
    rows.map(({ id }) => id),
    prefix,
    'See npx instances list; of deleted ones, npx instances explain still tells.',
  );
}

/** The same, also of instances whose row is gone. */
export async function resolveEver(client: Client, prefix: IdPrefix): Promise<string> {
  if (prefix.complete) return prefix.text;
  const { rows } = await client.query<{ id: string }>(
    `select distinct entity_id as id from event_log
     where entity_id between $1 and $2 and notification ->> 'table' = 'instances' order by 1 limit ${shownCandidates + 1}`,
    [prefix.lowest, prefix.highest],
  );
  return single(
    rows.map(({ id }) => id),
    prefix,
    'See npx instances list.',
  );
}

function single(ids: string[], { text, complete }: IdPrefix, advice: string): string {
  const [id, ...others] = ids;
  if (id === undefined) {
    throw new CommandError(`There is no instance ${complete ? text : `whose id begins with ${text}`}. ${advice}`);
  }
  if (others.length === 0) return id;
  const shown = ids.slice(0, shownCandidates).join(', ');
  const more = ids.length > shownCandidates ? ' and more' : '';
  throw new CommandError(`Several instances begin with ${text}: ${shown}${more}. Give more of the id.`);
}
