import type { Pool } from 'pg';
import { z } from 'zod';
import { isFurtherBehind, readPosition, type Scope } from './published-events.ts';
import type { ResyncReason } from './messages.ts';

/** Whether a client starts after a position of the log, or with the events from now on. */
export type Start = { after: number } | { now: true; resync?: ResyncReason };

const eventId = z.guid();

/** Finds the start of a client that names the last event of its scope that it saw. */
export async function startAfter(pool: Pool, lastSeen: string, scope: Scope, maxMissed: number): Promise<Start> {
  const position = eventId.safeParse(lastSeen).success ? await readPosition(pool, lastSeen, scope) : undefined;
  if (position === undefined) return { now: true, resync: 'unknown_event' };
  if (await isFurtherBehind(pool, maxMissed, position, scope)) return { now: true, resync: 'too_many_events' };
  return { after: position };
}
