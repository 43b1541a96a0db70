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

/** What a replica of user_backend pushes. */
export type InstancePush = Placed<EventTypeOf<typeof queueNames.userBackendWsUpdates>>;
/** What it refreshes its catalog by. */
export type AgentPush = Placed<EventTypeOf<typeof queueNames.userBackendAgent>>;
/** An event that concerns the clients of user_backend, with its place in the order of all. */
export type LiveEvent = InstancePush | AgentPush;

type Placed<Types extends LiveEventType> = IncomingEvent<Types> & { metadata: EventMetadata & { position: number } };
type LiveEventType = EventTypeOf<typeof queueNames.userBackendWsUpdates | typeof queueNames.userBackendAgent>;

/** Whose events: of one user, of the instances of all users, or of instances and agents. */
export type Scope = { userId: string } | 'instances' | 'everything';

export interface PageOptions {
  scope: Scope;
  /** Positions above this one. */
  after: number;
  maxEntries?: number;
  /** Bounds the memory of one page; a single larger event still makes a page of its own. */
  maxBytes?: number;
}

export interface Page {
  events: LiveEvent[];
  /** Every event of the scope up to here was in this page, or in one before. */
  upTo: number;
  /** Whether there is, or may be, another page. */
  more: boolean;
  /** False when entries behind `after`, of this scope or of others, were removed from the log: events may be missing. */
  isComplete: boolean;
}

/** The highest position that was given so far, also where its entry was removed from the log; 0 when none was. */
export async function readHead(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ head: string }>('select last_given as head from event_log_positions');
  return Number(rows[0]?.head);
}

/** The highest position up to which event_broker has published everything that is behind `after`. */
export async function readPublished(pool: Pool, after: number): Promise<number> {
  const { rows } = await pool.query<{ up_to: string }>(
    `select coalesce(min(position) - 1, (select last_given from event_log_positions)) as up_to from event_history
     where position > $1 and published_at is null and rejected_reason is null`,
    [after],
  );
  return Number(rows[0]?.up_to);
}

/**
 * The events of the log that concern clients, in the order of the bus, on which they may not be yet. Configs of instances,
 * which no such event shows, are left where they are.
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
         from event_history
         where position > $1 and ${condition} and rejected_reason is null
           and (notification ->> 'table', notification ->> 'event_type') <> ('instances', 'insert')
         order by position limit $2
       ) oldest
     ) measured
     where bytes_before < $3 order by position`,
    [after, maxEntries, maxBytes, ...values],
  );
  // Read afterwards: what was removed while the entries were read counts, too.
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

/** Where an event of the scope stands in the order of all; undefined when the log knows no such event. */
export async function readPosition(pool: Pool, eventId: string, scope: Scope): Promise<number | undefined> {
  const { condition, values } = conditionOf(scope, 2);
  const { rows } = await pool.query<{ position: string }>(
    `select position from event_history where event_id = $1 and position is not null and ${condition}`,
    [eventId, ...values],
  );
  return rows[0] && Number(rows[0].position);
}

/** Whether more than so many entries of the scope, those of creations among them, come after a position. */
export async function isFurtherBehind(pool: Pool, count: number, after: number, scope: Scope): Promise<boolean> {
  const { condition, values } = conditionOf(scope, 3);
  const { rows } = await pool.query(
    `select from event_history where position > $1 and ${condition} order by position offset $2 limit 1`,
    [after, count, ...values],
  );
  return rows.length > 0;
}

/** @param parameter the number of its first one */
function conditionOf(scope: Scope, parameter: number): { condition: string; values: string[] } {
  if (scope === 'everything') return { condition: 'true', values: [] };
  if (scope === 'instances') return { condition: 'user_id is not null', values: [] };
  return { condition: `user_id = $${parameter}`, values: [scope.userId] };
}

/** Undefined for what the broker sets aside, too. */
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
