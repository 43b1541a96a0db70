import type { ClientBase } from 'pg';

/** One entry of `event_log`, as it waits to be published. */
export interface EventLogEntry {
  id: string;
  eventId: string;
  entityId: string;
  sequence: number;
  /** Its place in the order in which everything is published. */
  position: number;
  /** The trigger's JSON; validated only when it is translated. */
  notification: unknown;
  correlationId: string;
  causationId: string | null;
  traceparent: string;
  occurredAt: Date;
}

export interface BatchLimits {
  maxEntries: number;
  /** Bounds the memory of one batch; a single larger entry still makes a batch of its own. */
  maxBytes: number;
}

/** The columns of `event_log` that make a `EventLogEntry`. */
export const eventLogColumns = `event_id as "eventId", entity_id as "entityId", sequence, position,
  correlation_id as "correlationId", causation_id as "causationId", traceparent, occurred_at as "occurredAt"`;

export type EventLogRow = Omit<EventLogEntry, 'sequence' | 'position'> & { sequence: string; position: string };

/**
 * The next entries to publish, in that order: those that a broker which ended had given a position, then the oldest that
 * have none, which are given the next ones. An entry that committed late is among those: nothing is skipped by a cursor.
 * To be called by the leader alone.
 */
export async function takeUnpublished(
  client: ClientBase,
  { maxEntries, maxBytes }: BatchLimits,
): Promise<EventLogEntry[]> {
  const { rows } = await client.query<EventLogRow>({
    name: 'take_unpublished',
    // Ids go from part to part as arrays: whatever the planner believes of the log, it never reads all of it.
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

/** PostgreSQL's bigint arrives as a text. */
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

/** Sets an entry aside that cannot become an event, so that those behind it go on. It stays in the log. */
export async function markRejected(client: ClientBase, id: string, reason: string): Promise<void> {
  await client.query('update event_log set rejected_reason = $2 where id = $1', [id, reason]);
}
