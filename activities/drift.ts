import type { Pool } from 'pg';
import { z } from 'zod';
import { desiredStates, instanceStatuses } from '../contracts/names.ts';
import type { RowReading } from '../workflows/messages.ts';

/** bigint comes as text; versions stay far below 2^53. */
const version = z.coerce.number().pipe(z.int());

const storedRow = z
  .object({
    id: z.string(),
    agentId: z.string(),
    userId: z.string(),
    sequence: version,
    generation: version,
    desiredState: z.enum(desiredStates),
    status: z.enum(instanceStatuses),
    runtime: z.string().nullable(),
    isStuck: z.boolean(),
    observed: z.boolean(),
    settled: z.boolean(),
    awaitsPublishedAgent: z.boolean(),
    isToBeDrained: z.boolean(),
    listens: z.boolean(),
  })
  .transform(({ sequence, generation, desiredState, ...rest }) => ({
    ...rest,
    reading: { sequence, generation, desiredState } satisfies RowReading,
  }));

/**
 * A row as the sweeper sees it. `runtime`: the kind that its agent runs on, where that is known. `isStuck`: it says that
 * something could not be removed. `settled`: nothing about it changed within the grace period. `awaitsPublishedAgent`: it says
 * that its agent is not published, which it is by now. `isToBeDrained`: it may run, although the retirement of its agent asked
 * for an end. `listens`: it runs, and its agent has a control queue.
 */
export type StoredRow = z.infer<typeof storedRow>;

/** All rows, page by page, in the order of their ids. */
export async function* readRows(pool: Pool, graceSeconds: number, pageSize = 500): AsyncGenerator<StoredRow[]> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const { rows } = await pool.query(
      `select i.id, agent_id as "agentId", user_id as "userId", i.sequence, generation, desired_state as "desiredState",
         status, a.runtime ->> 'kind' as runtime, observed_generation = generation as observed,
         coalesce(metadata #>> '{status_reason,code}' = 'cleanup_failed', false) as "isStuck",
         i.updated_at < clock_timestamp() - make_interval(secs => $3) as settled,
         status = 'pending' and coalesce(metadata #>> '{status_reason,code}' = 'agent_unknown', false) and a.id is not null
           as "awaitsPublishedAgent",
         desired_state = 'running' and status in ('pending', 'running') and a.retired_at is not null and a.drain is true
           as "isToBeDrained",
         desired_state = 'running' and status = 'running' and coalesce(a.runtime -> 'control' = 'true', false) as listens
       from instances i left join agents a on a.id = i.agent_id where i.id > $1 order by i.id limit $2`,
      [after, pageSize, graceSeconds],
    );
    const page = z.array(storedRow).parse(rows);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (!last || page.length < pageSize) return;
    after = last.id;
  }
}

/** Whether the agent's retirement asks its instances to end; not one that was published again since, or is gone. */
export async function isDrained(pool: Pool, agentId: string): Promise<boolean> {
  const { rows } = await pool.query('select from agents where id = $1 and retired_at is not null and drain', [agentId]);
  return rows.length > 0;
}

/** Whether nothing runs for an instance, as its row says or asks for; also where there is no row. */
export async function isAtRest(pool: Pool, id: string): Promise<boolean> {
  const { rows } = await pool.query(
    `select from instances where id = $1 and desired_state = 'running' and status in ('pending', 'running')`,
    [id],
  );
  return rows.length === 0;
}

/** Of these instances, those without a row, with the sequence that a message about its end must have to count. */
export async function findGone(pool: Pool, ids: string[]): Promise<{ id: string; sequence: number }[]> {
  const { rows } = await pool.query(
    // That of the deletion, or one more than the last of the log where none is known.
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
  return z.array(z.object({ id: z.string(), sequence: version })).parse(rows);
}
