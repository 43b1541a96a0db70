import type { ClientBase } from 'pg';
import { z } from 'zod';
import { sha256 } from './record.ts';

/** An entry that was noted earlier. Nobody can rewrite the entries before it unnoticed. */
export interface ChainHead {
  position: number;
  hash: string;
}

export interface Verification {
  entries: number;
  firstPosition: number | null;
  /** The last entry of the intact chain; null if there is none. */
  head: ChainHead | null;
  problem: { position: number; message: string } | undefined;
  /** A hint for a person that is no fault. */
  notice?: string;
}

/**
 * Reads the whole audit log in its order and computes every hash, without the SQL that wrote it. A hash chain alone cannot
 * detect truncation or recomputation: that takes a head that was noted elsewhere.
 */
export async function verifyAudit(
  client: ClientBase,
  expected?: ChainHead,
  // A body may have a megabyte.
  { pageEntries = 100 }: { pageEntries?: number } = {},
): Promise<Verification> {
  // The snapshot hides entries that are appended or removed meanwhile.
  await client.query('begin isolation level repeatable read read only');
  try {
    return await verifySnapshot(client, expected, pageEntries);
  } finally {
    await client.query('rollback');
  }
}

async function verifySnapshot(
  client: ClientBase,
  expected: ChainHead | undefined,
  pageEntries: number,
): Promise<Verification> {
  const anchor = await readAnchor(client);
  let head = anchor;
  let entries = 0;
  let removal: Removal | undefined;
  let problem = anchor.position > 0 ? findDifference(anchor, expected) : undefined;
  for await (const entry of readEntries(client, pageEntries)) {
    problem ??= findFault(entry, head) ?? findDifference(toHead(entry), expected);
    if (problem) break;
    head = toHead(entry);
    removal = readRemoval(entry) ?? removal;
    entries += 1;
  }
  problem ??= findUnrecordedRemoval(anchor, removal) ?? findCut(head, expected);
  return {
    entries,
    firstPosition: entries > 0 ? anchor.position + 1 : null,
    head: entries > 0 ? head : null,
    problem,
    ...(!problem && wasRemoved(anchor, expected) && { notice: noticeOf(expected.position, removal) }),
  };
}

/** The fault of an entry that should follow `before`. */
function findFault(entry: Entry, before: ChainHead): Verification['problem'] {
  const { position, previous_hash: previousHash, hash } = entry;
  const due = before.position + 1;
  const found = Number(position);
  if (found < due) {
    return { position: found, message: `entry ${found} is there, although the anchor says that it was removed` };
  }
  if (found > due) {
    const missing = found === due + 1 ? `entry ${due} is` : `entries ${due} to ${found - 1} are`;
    return { position: due, message: `${missing} missing` };
  }
  if (previousHash !== before.hash) {
    return { position: due, message: `entry ${due} does not follow the one before it: previous_hash is another` };
  }
  if (hash !== sha256(textOf(entry))) {
    return { position: due, message: `entry ${due} was changed: its fields do not give its hash` };
  }
  return undefined;
}

function findDifference(found: ChainHead, expected: ChainHead | undefined): Verification['problem'] {
  const { position, hash } = found;
  if (position !== expected?.position || hash === expected.hash) return undefined;
  const message = `entry ${position} has not the hash that was noted: the chain up to it was written anew`;
  return { position, message };
}

function findCut(head: ChainHead, expected: ChainHead | undefined): Verification['problem'] {
  if (!expected || expected.position <= head.position) return undefined;
  const end = head.position === 0 ? 'the audit log is empty' : `the audit log ends with entry ${head.position}`;
  return {
    position: head.position + 1,
    message: `${end}, but entry ${expected.position} was noted: its end is missing`,
  };
}

/** Somebody who removes entries could also move the anchor, so the chain itself has to record the removal. */
function findUnrecordedRemoval(anchor: ChainHead, removal: Removal | undefined): Verification['problem'] {
  if (anchor.position === 0) return undefined;
  if (removal?.upTo === anchor.position && removal.hash === anchor.hash) return undefined;
  const { position } = anchor;
  return { position, message: `entries up to ${position} are missing, and no entry says that they were removed` };
}

function wasRemoved(anchor: ChainHead, expected: ChainHead | undefined): expected is ChainHead {
  return expected !== undefined && expected.position < anchor.position;
}

function noticeOf(noted: number, removal: Removal | undefined): string {
  const where = removal ? `, which entry ${removal.recordedIn} says` : '';
  return `Entry ${noted}, which was noted, was removed by retention${where}: it cannot be compared any more. Note a later one.`;
}

/** An entry that records the removal of all entries up to a position; see database/migrations/0019_audit_removals.sql. */
interface Removal {
  upTo: number;
  hash: string;
  recordedIn: number;
}

const removalBody = z.object({ up_to_position: z.int(), hash: z.string() });

function readRemoval({ type, position, body }: Entry): Removal | undefined {
  if (type !== 'audit_log.entries_removed') return undefined;
  const { up_to_position: upTo, hash } = removalBody.parse(JSON.parse(body ?? ''));
  return { upTo, hash, recordedIn: Number(position) };
}

/** The lines of `audit_text` in database/migrations/0011_audit_log.sql: each column as text, in this order, hash left out. */
const columns = {
  position: 'position::text',
  event_id: 'event_id::text',
  type: 'type',
  occurred_at: utc('occurred_at'),
  recorded_at: utc('recorded_at'),
  instance_id: 'instance_id::text',
  agent_id: 'agent_id::text',
  user_id: 'user_id::text',
  sequence: 'sequence::text',
  correlation_id: 'correlation_id::text',
  causation_id: 'causation_id::text',
  schema_version: 'schema_version::text',
  desired_state: 'desired_state',
  generation: 'generation::text',
  observed_generation: 'observed_generation::text',
  previous_hash: 'previous_hash',
  body: 'body',
} as const;

type Entry = Record<keyof typeof columns | 'hash', string | null>;

function utc(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

function textOf(entry: Entry): string {
  const values = (Object.keys(columns) as (keyof typeof columns)[]).map((column) => entry[column] ?? '');
  return ['audit 1', ...values].join('\n');
}

function toHead({ position, hash }: Entry): ChainHead {
  return { position: Number(position), hash: hash ?? '' };
}

async function readAnchor(client: ClientBase): Promise<ChainHead> {
  const { rows } = await client.query<{ position: string; hash: string }>('select position, hash from audit_anchor');
  const [anchor] = rows;
  if (!anchor) throw new Error('The table audit_anchor is empty: nothing says where the audit log begins.');
  return { position: Number(anchor.position), hash: anchor.hash };
}

async function* readEntries(client: ClientBase, pageEntries: number): AsyncGenerator<Entry> {
  const selected = Object.entries(columns).map(([name, sql]) => `${sql} as ${name}`);
  await client.query(
    `declare audit_entries no scroll cursor for
     select ${selected.join(', ')}, hash from audit_log order by audit_log.position`,
  );
  for (;;) {
    const { rows } = await client.query<Entry>(`fetch ${pageEntries} from audit_entries`);
    yield* rows;
    if (rows.length < pageEntries) return;
  }
}
