import type { Pool } from 'pg';
import { definitionOf } from '../../contracts/catalog.ts';
import type { EventMetadata } from '../../contracts/envelope.ts';
import type { queueNames } from '../../contracts/names.ts';
import type { EventTypeOf } from '../../contracts/topology.ts';
import {
  eventLogColumns,
  toEventLogEntry,
  type EventLogRow,
  type EventLogEntry,
} from '../../bridge/event-broker/event-log.ts';
import type { IncomingEvent } from '../../bridge/bus/incoming-event.ts';
import { translate, UntranslatableEntry } from '../../bridge/event-broker/translate.ts';

/** An event that user_backend pushes to clients. */
export type InstancePush = Placed<EventTypeOf<typeof queueNames.userBackendWsUpdates>>;
/** An event that refreshes the catalog of agents. */
export type AgentPush = Placed<EventTypeOf<typeof queueNames.userBackendAgent>>;
/** An event that user_backend reacts to, with its position. */
export type LiveEvent = InstancePush | AgentPush;

type Placed<Types extends LiveEventType> = IncomingEvent<Types> & { metadata: EventMetadata & { position: number } };
type LiveEventType = EventTypeOf<typeof queueNames.userBackendWsUpdates | typeof queueNames.userBackendAgent>;

/** Selects the events of one user's instances, of all instances, or of all instances and agents. */
export type Scope = { userId: string } | 'instances' | 'everything';

export interface PageOptions {
  scope: Scope;
  /** Only events above this position. */
  after: number;
  maxEntries?: number;
  /** Bounds the memory of one page. A larger event makes a page of its own. */
  maxBytes?: number;
}

export interface Page {
  events: LiveEvent[];
  /** All events of the scope up to this position are in this or an earlier page. */
  upTo: number;
  /** Whether there may be another page. */
  more: boolean;
  /** False if entries above `after` of any scope were removed from the log, so that events may be missing. */
  isComplete: boolean;
}

/** The highest position so far, even if its entry was removed from the log; 0 without any. */
export async function readHead(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ head: string }>('select last_given as head from event_log_positions');
  return Number(rows[0]?.head);
}

/** The highest position up to which event_broker has published all entries above `after`. */
export async function readPublished(pool: Pool, after: number): Promise<number> {
  const { rows } = await pool.query<{ up_to: string }>(
    `select coalesce(min(position) - 1, (select last_given from event_log_positions)) as up_to from event_feed
     where position > $1 and published_at is null and rejected_reason is null`,
    [after],
  );
  return Number(rows[0]?.up_to);
}

/**
 * Reads the events of the log that concern clients, in their order. They may not be published yet. The config of instances is
 * not read, because no such event has it.
 */
export async function readPage(pool: Pool, options: PageOptions): Promise<Page> {
  const { scope, after, maxEntries = 200, maxBytes = 1024 * 1024 } = options;
  const { condition, values } = conditionOf(scope, 4);
  const { rows } = await pool.query<EventLogRow & { found: number }>(
    `select id, notification, ${eventLogColumns}, found
     from (
       select *, count(*) over ()::int as found,
         sum(octet_length(notification::text)) over (order by position) - octet_length(notification::text) as bytes_before
       from (
         select id, notification #- '{row_data,config}' as notification, event_id, entity_id, sequence, position,
           correlation_id, causation_id, traceparent, occurred_at
         from event_feed
         where position > $1 and ${condition} and rejected_reason is null
           and (notification ->> 'table', notification ->> 'event_type') <> ('instances', 'insert')
         order by position limit $2
       ) oldest
     ) measured
     where bytes_before < $3 order by position`,
    [after, maxEntries, maxBytes, ...values],
  );
  // This is read after the entries, so that entries which were removed meanwhile count as well.
  const removed = await pool.query<{ last: string }>('select last_removed as last from event_log_positions');
  const entries = rows.map(toEventLogEntry);
  const found = rows[0]?.found ?? 0;
  return {
    events: entries.flatMap((entry) => toLiveEvent(entry) ?? []),
    upTo: entries.at(-1)?.position ?? after,
    more: found === maxEntries || found > rows.length,
    isComplete: Number(removed.rows[0]?.last) <= after,
  };
}

/** The position of an event of the scope; undefined when the log has no such event. */
export async function readPosition(pool: Pool, eventId: string, scope: Scope): Promise<number | undefined> {
  const { condition, values } = conditionOf(scope, 2);
  const { rows } = await pool.query<{ position: string }>(
    `select position from event_feed where event_id = $1 and position is not null and ${condition}`,
    [eventId, ...values],
  );
  return rows[0] && Number(rows[0].position);
}

/** Whether more than `count` entries of the scope, including creations, come after a position. */
export async function isFurtherBehind(pool: Pool, count: number, after: number, scope: Scope): Promise<boolean> {
  const { condition, values } = conditionOf(scope, 3);
  const { rows } = await pool.query(
    `select from event_feed where position > $1 and ${condition} order by position offset $2 limit 1`,
    [after, count, ...values],
  );
  return rows.length > 0;
}

/** @param parameter number of the first query parameter of the condition */
function conditionOf(scope: Scope, parameter: number): { condition: string; values: string[] } {
  if (scope === 'everything') return { condition: 'true', values: [] };
  if (scope === 'instances') return { condition: 'user_id is not null', values: [] };
  return { condition: `user_id = $${parameter}`, values: [scope.userId] };
}

/** Returns undefined for an entry that event_broker rejects. */
function toLiveEvent(entry: EventLogEntry): LiveEvent | undefined {
  try {
    const { metadata, body: written } = translate(entry);
    const type = metadata.type as LiveEvent['type'];
    const body = definitionOf(type).versions.read(metadata.schemaVersion, written);
    return { type, body, metadata } as LiveEvent;
  } catch (error) {
    if (error instanceof UntranslatableEntry) return undefined;
    throw error;
  }
}
