import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { eventLogColumns, toEventLogEntry, type EventLogRow } from '../../../bridge/event-broker/event-log.ts';
import { ContractViolation, type IncomingEvent } from '../../../bridge/bus/incoming-event.ts';
import { type FatalError } from '../../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../../supervision/supervise.ts';
import { translate, UntranslatableEntry } from '../../../bridge/event-broker/translate.ts';
import { createAppender } from './append.ts';
import { toAuditRecord, type AuditRecord } from './record.ts';

export interface RefillOptions {
  pool: Pool;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** An event without an entry counts as lost after this time. Before, it may still be in the queue. */
  graceSeconds?: number;
  intervalMs?: number;
  pageSize?: number;
}

/**
 * Appends events that never arrived over the bus, because the queue was removed or full. An event that was removed from
 * `event_log` is lost. Several replicas may run it, as an event gets one entry only.
 */
export function startRefill(options: RefillOptions): Supervised {
  const { pool, logger, onFatal, graceSeconds = 60, intervalMs = 60_000, pageSize = 1_000 } = options;
  const append = createAppender({ pool, logger });
  /** Every event up to this one has an entry, or cannot have one. */
  let checked: Place = beforeAll;

  const refill = async (signal: AbortSignal): Promise<number> => {
    let appended = 0;
    // A restored backup, or a standby that lacked commits, gives positions a second time.
    if (!(await isInLog(pool, checked))) checked = beforeAll;
    for (let more = true; more && !signal.aborted;) {
      const page = await readGaps(pool, { after: checked, graceSeconds, pageSize });
      for (const id of page.missing) {
        const record = await readRecord(pool, id, logger);
        if (!record) continue;
        try {
          await append(record, signal);
          appended += 1;
        } catch (error) {
          // Later events must not wait for one that cannot have an entry.
          if (!(error instanceof ContractViolation)) throw error;
          logger.error({ eventId: record.event_id, reason: error.message }, cannotAppend);
        }
      }
      more = page.upTo.position > checked.position;
      checked = page.upTo;
    }
    return appended;
  };

  const run = async ({ signal, ready }: Session): Promise<void> => {
    while (!signal.aborted) {
      const entries = await refill(signal);
      if (entries > 0)
        logger.warn({ entries }, 'events that had not come over the bus were appended to the audit log late');
      ready();
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  return supervise({ name: 'audit_refill', logger, run, onFatal });
}

const cannotAppend = 'an event cannot be appended to the audit log';

/** An event of the log. */
interface Place {
  position: number;
  eventId: string | null;
}

const beforeAll: Place = { position: 0, eventId: null };

async function isInLog(pool: Pool, { position, eventId }: Place): Promise<boolean> {
  if (eventId === null) return true;
  const { rows } = await pool.query('select from event_feed where position = $1 and event_id = $2', [
    position,
    eventId,
  ]);
  return rows.length > 0;
}

interface Gaps {
  /** Ids of entries of `event_log`, in the order in which they were published. */
  missing: string[];
  /** Equal to `after` if no event is due yet. */
  upTo: Place;
}

interface GapsOptions {
  after: Place;
  graceSeconds: number;
  pageSize: number;
}

async function readGaps(pool: Pool, { after, graceSeconds, pageSize }: GapsOptions): Promise<Gaps> {
  const { rows } = await pool.query<{ up_to: string | null; event_id: string | null; missing: string[] | null }>(
    `with page as (
       select id, event_id, position, published_at, rejected_reason,
         -- An entry that is not published yet ends the page: 'bool_and' would leave a null out.
         bool_and(rejected_reason is not null or coalesce(published_at < clock_timestamp() - make_interval(secs => $2), false))
           over (order by position) as is_due
       from event_feed where position > $1 order by position limit $3
     ), kept_since as (
       -- What was published before the oldest entry was recorded may have had one, which retention removed. An entry may be
       -- recorded shortly before its event is marked as published.
       select case when a.position = 0 then '-infinity' else l.recorded_at + interval '1 minute' end as time
       from audit_anchor a left join lateral (
         select o.recorded_at from audit_log o order by o.position limit 1) l on true
     )
     select max(p.position) as up_to, (array_agg(p.event_id order by p.position desc))[1] as event_id,
       array_agg(p.id order by p.position) filter (
         where p.rejected_reason is null and p.published_at > k.time
           and not exists (select from audit_log l where l.event_id = p.event_id)) as missing
     from page p cross join kept_since k where p.is_due`,
    [after.position, graceSeconds, pageSize],
  );
  const { up_to: upTo = null, event_id: eventId = null, missing = null } = rows[0] ?? {};
  return { missing: missing ?? [], upTo: upTo === null ? after : { position: Number(upTo), eventId } };
}

/** @returns the entry of a published event; undefined if the event was removed, or cannot have an entry */
async function readRecord(pool: Pool, id: string, logger: Logger): Promise<AuditRecord | undefined> {
  const { rows } = await pool.query<EventLogRow>(
    `select id, notification, ${eventLogColumns} from event_log where id = $1`,
    [id],
  );
  if (!rows[0]) return undefined;
  const entry = toEventLogEntry(rows[0]);
  try {
    const { metadata, body } = translate(entry);
    return toAuditRecord({ type: metadata.type, metadata, body } as IncomingEvent, Buffer.from(JSON.stringify(body)));
  } catch (error) {
    if (!(error instanceof UntranslatableEntry || error instanceof ContractViolation)) throw error;
    logger.error({ eventId: entry.eventId, reason: error.message }, cannotAppend);
    return undefined;
  }
}
