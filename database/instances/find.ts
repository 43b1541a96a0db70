import type { IdRange } from '../where.ts';
import type { Queryable } from './view.ts';

/** Finds the first ids of the range that have a row, in their order. */
export async function findInstanceIds(
  database: Queryable,
  { lowest, highest }: IdRange,
  limit: number,
): Promise<string[]> {
  const query = 'select id from instances where id between $1 and $2 order by id limit $3';
  const { rows } = await database.query<{ id: string }>(query, [lowest, highest, limit]);
  return rows.map(({ id }) => id);
}

/** Reads whether the row exists, and whether the event log says that the engine has cleaned up after a deleted row. */
export async function readEnd(database: Queryable, id: string): Promise<{ exists: boolean; isCleanedUp: boolean }> {
  const { rows } = await database.query<{ exists: boolean; isCleanedUp: boolean }>(
    `select exists (select from instances where id = $1), notification ->> 'event_type' = 'update' as "isCleanedUp"
     from event_log where entity_id = $1 order by sequence desc limit 1`,
    [id],
  );
  return rows[0] ?? { exists: false, isCleanedUp: false };
}
