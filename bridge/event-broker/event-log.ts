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

/**
 * Reads the next entries to publish, in their order: first the entries that got a position and were not published, for example
 * because the leader crashed, then the oldest entries without a position, which get the next positions. There is no cursor that
 * an entry which commits late could fall behind. Only the leader may call this.
 *
 * @param maxBytes bounds the memory of the batch; a larger entry makes a batch of its own
 */
export async function takeUnpublished(
  client: ClientBase,
  { maxEntries, maxBytes }: { maxEntries: number; maxBytes: number },
): Promise<EventLogEntry[]> {
  const { rows } = await client.query<EventLogRow>({
    name: 'take_unpublished',
    // The parts pass ids as arrays, so that no plan reads the whole log, whatever its statistics say.
    text: `with waiting as (
             select id, position, sum(size_bytes) over (order by position, id) - size_bytes as bytes_before
             from (select id, position, size_bytes from event_log
                   where published_at is null and rejected_reason is null order by position, id limit $1) oldest
           ), taken as (
             select array_agg(id) filter (where position is not null) as again,
               array_agg(id order by id) filter (where position is null) as fresh
             from waiting where bytes_before < $2
           ), counter as (
             update event_log_positions set last_given = last_given + cardinality(taken.fresh)
             from taken where taken.fresh is not null returning last_given - cardinality(taken.fresh) as before
           ), given as (
             update event_log set position = (select before from counter) + array_position((select fresh from taken), id)
             where id = any ((select fresh from taken)::bigint[]) and position is null returning *
           )
           select id, notification, ${eventLogColumns} from given
           union all
           select id, notification, ${eventLogColumns} from event_log where id = any ((select again from taken)::bigint[])
           order by position`,
    values: [maxEntries, maxBytes],
  });
  return rows.map(toEventLogEntry);
}

/** The driver returns a bigint as text. */
export function toEventLogEntry(row: EventLogRow): EventLogEntry {
  return { ...row, sequence: Number(row.sequence), position: Number(row.position) };
}

export async function markPublished(client: ClientBase, ids: string[]): Promise<void> {
  await client.query({
    name: 'mark_published',
    text: 'update event_log set published_at = clock_timestamp() where id = any($1)',
    values: [ids],
  });
}

/** Excludes an entry that cannot become an event, so that the entries behind it are published. It stays in the log. */
export async function markRejected(client: ClientBase, id: string, reason: string): Promise<void> {
  await client.query('update event_log set rejected_reason = $2 where id = $1', [id, reason]);
}
