import type { ClientBase } from 'pg';

/** One entry of `event_log`: a change of a row, from which an event is made. */
export interface EventLogEntry {
  id: string;
  eventId: string;
  entityId: string;
  sequence: number;
  /** Place in the order in which all events are published. */
  position: number;
  /** JSON that the trigger wrote, which `translate` validates. */
  notification: unknown;
  correlationId: string;
  causationId: string | null;
  traceparent: string;
  occurredAt: Date;
}

/** Columns of `event_log` for an `EventLogEntry`, besides `id` and `notification`. */
export const eventLogColumns = `event_id as "eventId", entity_id as "entityId", sequence, position,
  correlation_id as "correlationId", causation_id as "causationId", traceparent, occurred_at as "occurredAt"`;

export type EventLogRow = Omit<EventLogEntry, 'sequence' | 'position'> & { sequence: string; position: string };

export interface TakeOptions {
  maxEntries: number;
  /** Bounds the memory of the batch; a larger entry makes a batch of its own. */
  maxBytes: number;
  /** Ids of entries that were published since the last call, and are marked now. */
  published?: readonly string[];
  /** Entries up to this position are in the caller's hands. */
  after?: number;
}

/**
 * Marks entries as published and reads the next ones to publish, in their order, in one statement: first the entries that got a
 * position and were not published, for example because the leader crashed, then the oldest entries without a position, which get
 * the next positions. There is no cursor that an entry which commits late could fall behind. Only the leader may call this.
 *
 * Nothing here writes to the table of the entries, and nothing reads more of it than the entries that are returned.
 */
export async function takeUnpublished(
  client: ClientBase,
  { maxEntries, maxBytes, published = [], after = 0 }: TakeOptions,
): Promise<EventLogEntry[]> {
  // The statement has no name: a plan that was made for an empty table must not be kept for a full one.
  const { rows } = await client.query<EventLogRow>({
    // The parts pass ids as arrays, so that no plan reads the whole log, whatever its statistics say.
    text: `with marked as (
             update event_log_publications set published_at = clock_timestamp() where id = any ($3)
           ), before as (
             -- Whoever sets last_given back by hand sets back what is settled.
             select last_given, least(last_settled, last_given) as last_settled from event_log_positions
           ), unsettled as materialized (
             select id, position from event_log_publications
             where position > (select last_settled from before) and published_at is null and rejected_reason is null
               and id <> all ($3)
           ), waiting as (
             select id, position, sum(size_bytes) over (order by position, id) - size_bytes as bytes_before
             from (
               (select u.id, u.position, e.size_bytes
                from (select id, position from unsettled where position > $4 order by position limit $1) u
                join event_log_entries e on e.id = u.id)
               union all
               (select id, null, size_bytes from event_log_waiting order by id limit $1)
               order by position, id limit $1
             ) oldest
           ), taken as (
             select array_agg(id) filter (where position is not null) as again,
               array_agg(id) filter (where position is null) as fresh
             from waiting where bytes_before < $2
           ), removed as (
             delete from event_log_waiting where id = any ((select fresh from taken)::bigint[]) returning id, user_id
           ), counted as (
             select count(*) as fresh, coalesce((select min(position) - 1 from unsettled), (select last_given from before)) as settled
             from removed
           ), counter as (
             update event_log_positions set last_given = last_given + fresh, last_settled = settled
             from counted where fresh > 0 or last_settled <> settled returning last_given - fresh as before
           ), given as (
             insert into event_log_publications (id, position, user_id)
             select id, (select before from counter) + row_number() over (order by id), user_id from removed
             returning id, position
           ), batch as (
             select id, position from given
             union all
             select id, position from unsettled where id = any ((select again from taken)::bigint[])
           )
           select id, notification, ${eventLogColumns}
           from (select * from event_log_entries where id = any ((select array_agg(id) from batch)::bigint[])) entries
             join batch using (id)
           order by position`,
    values: [maxEntries, maxBytes, published, after],
  });
  return rows.map(toEventLogEntry);
}

/** The driver returns a bigint as text. */
export function toEventLogEntry(row: EventLogRow): EventLogEntry {
  return { ...row, sequence: Number(row.sequence), position: Number(row.position) };
}

export async function markPublished(client: ClientBase, ids: readonly string[]): Promise<void> {
  await client.query('update event_log_publications set published_at = clock_timestamp() where id = any ($1)', [ids]);
}

/** Excludes an entry that cannot become an event, so that the entries behind it are published. It stays in the log. */
export async function markRejected(client: ClientBase, id: string, reason: string): Promise<void> {
  await client.query('update event_log_publications set rejected_reason = $2 where id = $1', [id, reason]);
}
