import type { Pool } from 'pg';
import { z } from 'zod';
import { desiredStates, instanceStatuses } from '../../contracts/names.ts';
import { counter } from './view.ts';

const sweptRow = z.object({
  id: z.string(),
  agentId: z.string(),
  userId: z.string(),
  sequence: counter,
  generation: counter,
  desiredState: z.enum(desiredStates),
  status: z.enum(instanceStatuses),
  /** The row reports that something could not be removed. */
  isStuck: z.boolean(),
  observed: z.boolean(),
  /** The row did not change within the grace period. */
  settled: z.boolean(),
  /** The row reports that its agent is not published, but by now it is. */
  awaitsPublishedAgent: z.boolean(),
  /** The instance may run, although its agent was retired with `drain`. */
  isToBeDrained: z.boolean(),
  /** The row names a host, on which the instance is not placed any more. */
  isPlacementLost: z.boolean(),
  /** The instance runs, and its agent has a control queue. */
  listens: z.boolean(),
});
/** A row as the sweeper needs it. */
export type SweptRow = z.infer<typeof sweptRow>;

/** Reads all rows, page by page, in the order of their ids. */
export async function* readSweptRows(pool: Pool, graceSeconds: number, pageSize = 500): AsyncGenerator<SweptRow[]> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const { rows } = await pool.query(
      `select i.id, i.agent_id as "agentId", user_id as "userId", i.sequence, generation, desired_state as "desiredState",
         status, observed_generation = generation as observed,
         coalesce(metadata #>> '{status_reason,code}' = 'cleanup_failed', false) as "isStuck",
         i.updated_at < clock_timestamp() - make_interval(secs => $3) as settled,
         status = 'pending' and coalesce(metadata #>> '{status_reason,code}' = 'agent_unknown', false) and a.id is not null
           as "awaitsPublishedAgent",
         desired_state = 'running' and status in ('pending', 'running') and a.retired_at is not null and a.drain is true
           as "isToBeDrained",
         i.host_id is not null and not exists (select from placements p where p.instance_id = i.id) as "isPlacementLost",
         desired_state = 'running' and status = 'running' and coalesce(v.runtime -> 'control' = 'true', false) as listens
       from instances i left join agents a on a.id = i.agent_id
       left join agent_versions v on v.agent_id = i.agent_id and v.version = coalesce(i.running_version, i.agent_version)
       where i.id > $1 order by i.id limit $2`,
      [after, pageSize, graceSeconds],
    );
    const page = z.array(sweptRow).parse(rows);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (!last || page.length < pageSize) return;
    after = last.id;
  }
}

/** Whether the agent is retired with `drain`. False if it was published again since, or deleted. */
export async function isDrained(pool: Pool, agentId: string): Promise<boolean> {
  const { rows } = await pool.query('select from agents where id = $1 and retired_at is not null and drain', [agentId]);
  return rows.length > 0;
}

/** Whether the row wants the instance stopped, or says that it failed or stopped. True if there is no row. */
export async function isAtRest(pool: Pool, id: string): Promise<boolean> {
  const { rows } = await pool.query(
    `select from instances where id = $1 and desired_state = 'running' and status in ('pending', 'running')`,
    [id],
  );
  return rows.length === 0;
}

/**
 * @returns those of the instances that have no row, each with the sequence of its deletion. If nothing records the deletion,
 * the sequence follows from the newest entry of the log.
 */
export async function findDeleted(pool: Pool, ids: string[]): Promise<{ id: string; sequence: number }[]> {
  const { rows } = await pool.query(
    `select wanted.id,
       coalesce(deleted.sequence, last.sequence + (last.notification ->> 'event_type' = 'update' and last.notification -> 'row_data' ->> 'status' <> 'stopped'
         or last.notification ->> 'event_type' = 'insert')::int, 1) as sequence
     from unnest($1::uuid[]) as wanted (id)
     left join deleted_entities deleted on deleted.entity_id = wanted.id
     left join lateral (
       select sequence, notification from event_log where entity_id = wanted.id order by sequence desc limit 1) last on true
     where not exists (select from instances where instances.id = wanted.id)`,
    [ids],
  );
  return z.array(z.object({ id: z.string(), sequence: counter })).parse(rows);
}
