import type { Pool } from 'pg';
import { z } from 'zod';
import { desiredStates } from '../contracts/names.ts';
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
    observed: z.boolean(),
    settled: z.boolean(),
  })
  .transform(({ sequence, generation, desiredState, ...rest }) => ({
    ...rest,
    reading: { sequence, generation, desiredState } satisfies RowReading,
  }));

/** A row as the sweeper sees it. `settled`: nothing about it changed within the grace period. */
export type StoredRow = z.infer<typeof storedRow>;

const pageSize = 500;

/** All rows, page by page, in the order of their ids. */
export async function* readRows(pool: Pool, graceSeconds: number): AsyncGenerator<StoredRow[]> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const { rows } = await pool.query(
      `select id, agent_id as "agentId", user_id as "userId", sequence, generation, desired_state as "desiredState",
         observed_generation >= generation as observed, updated_at < clock_timestamp() - make_interval(secs => $3) as settled
       from instances where id > $1 order by id limit $2`,
      [after, pageSize, graceSeconds],
    );
    const page = z.array(storedRow).parse(rows);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (!last || page.length < pageSize) return;
    after = last.id;
  }
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
