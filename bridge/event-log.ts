import type { ClientBase } from 'pg';

/** One entry of `event_log`, as it waits to be published. */
export interface LogEntry {
  id: string;
  eventId: string;
  entityId: string;
  sequence: number;
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

/** The oldest entries that wait. An entry that committed late is among them: nothing is skipped by a cursor. */
export async function readUnpublished(client: ClientBase, { maxEntries, maxBytes }: BatchLimits): Promise<LogEntry[]> {
  const { rows } = await client.query<Omit<LogEntry, 'sequence'> & { sequence: string }>({
    name: 'read_unpublished',
    text: `select id, event_id as "eventId", entity_id as "entityId", sequence, notification,
             correlation_id as "correlationId", causation_id as "causationId", traceparent, occurred_at as "occurredAt"
           from (select *, sum(size_bytes) over (order by id) - size_bytes as bytes_before from event_log
                 where published_at is null and rejected_reason is null order by id limit $1) waiting
           where bytes_before < $2 order by id`,
    values: [maxEntries, maxBytes],
  });
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
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
