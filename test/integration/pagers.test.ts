import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { listInstances, type Place } from '../../database/instances/list.ts';
import { readSweptRows } from '../../database/instances/sweep-rows.ts';
import { removeEntries } from '../../backends/admin/audit/retention.ts';
import { findEntries } from '../../backends/admin/audit/search.ts';
import { verifyAudit } from '../../backends/admin/audit/verify.ts';
import { cursor as cursorSchema, encodeCursor } from '../../backends/user/cursor.ts';
import { markPublished, takeUnpublished } from '../../bridge/event-broker/event-log.ts';
import { readPage, type Scope } from '../../backends/live/published-events.ts';
import { auditRecord } from '../support/audit.ts';
import { createMigratedDatabase, dropDatabase } from '../support/databases.ts';
import { one } from '../support/rig.ts';
import { openTestPool } from '../support/test-pool.ts';

/**
 * Every reader that goes on page by page, with pages of one to three over none to seven rows. Nothing arrives after it began:
 * a reader that waits for something new to show it the rest would be found out.
 */
const server = inject('servers').databaseUrl;
const name = `test_${randomUUID().replaceAll('-', '')}`;
let pool: pg.Pool;

beforeAll(async () => {
  const databaseUrl = await createMigratedDatabase(server, name);
  pool = openTestPool({ connectionString: databaseUrl, max: 4 });
  // The database is dropped while its connections are being closed.
});
afterAll(async () => {
  await pool.end();
  await dropDatabase(server, name);
});

const cases = [1, 2, 3].flatMap((size) => [0, 1, 2, 3, 4, 5, 6, 7].map((count) => ({ size, count })));

/** Instances of one user. */
async function insert(userId: string, count: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) select gen_random_uuid(), $1 from generate_series(1, $2) returning id',
    [userId, count],
  );
  return rows.map(({ id }) => id);
}

async function publishAll(limits = { maxEntries: 1_000, maxBytes: 1e9 }): Promise<string[][]> {
  const client = await pool.connect();
  try {
    for (const pages: string[][] = []; ;) {
      const entries = await takeUnpublished(client, limits);
      if (entries.length === 0) return pages;
      await markPublished(
        client,
        entries.map(({ id }) => id),
      );
      pages.push(entries.map(({ entityId }) => entityId));
    }
  } finally {
    client.release();
  }
}

describe('the broker takes', () => {
  beforeEach(() => publishAll());

  test.each(cases)('$count entries in batches of $size', async ({ size, count }) => {
    const ids = await insert(randomUUID(), count);
    const pages = await publishAll({ maxEntries: size, maxBytes: 1e9 });
    expect(pages.flat()).toEqual(ids);
    expect(pages.map(({ length }) => length)).toEqual(pageSizes(count, size));
  });

  test.each(cases)('$count entries whose bytes fill a batch by $size, and one that is larger alone', async (given) => {
    const ids = await insert(randomUUID(), given.count);
    const { rows } = await pool.query<{ bytes: number }>(
      'select max(size_bytes)::int as bytes from event_log where published_at is null',
    );
    // The last entry of a batch may begin below the limit and end above it.
    const maxBytes = (one(rows).bytes ?? 1) * (given.size - 1) + 1;
    const pages = await publishAll({ maxEntries: 1_000, maxBytes });
    expect(pages.flat()).toEqual(ids);
    expect(pages.map(({ length }) => length)).toEqual(pageSizes(given.count, given.size));
  });
});

describe('a client that catches up reads', () => {
  test.each(cases)("$count events of its own in pages of $size, with another user's in between", async (given) => {
    const { size, count } = given;
    const [mine, theirs] = [randomUUID(), randomUUID()];
    const [start] = await insert(mine, 1);
    const [other] = await insert(theirs, 1);
    const own: string[] = [];
    for (let index = 0; index < count; index += 1) {
      for (const [userId, ids] of [
        [theirs, [other]],
        [mine, [start]],
      ] as const) {
        await pool.query('update instances set metadata = $2 where id = $1', [ids[0], { index, userId }]);
      }
      own.push(`${start} ${index + 2}`);
    }
    await publishAll();
    const before = await pool.query<{ position: string }>(
      'select min(position) - 1 as position from event_log where entity_id = any ($1)',
      [[start, other]],
    );
    const after = Number(one(before.rows).position);
    const read = (scope: Scope) => readAll(scope, after, { maxEntries: size });
    expect(await read({ userId: mine })).toEqual(own);
    expect((await read('instances')).filter((each) => each.startsWith(String(start)))).toEqual(own);
    expect((await read('everything')).filter((each) => each.startsWith(String(start)))).toEqual(own);
    expect(await readAll({ userId: mine }, after, { maxBytes: size * 100 })).toEqual(own);
  });
});

async function readAll(
  scope: Scope,
  from: number,
  limits: { maxEntries?: number; maxBytes?: number },
): Promise<string[]> {
  const seen: string[] = [];
  let after = from;
  for (let more = true; more;) {
    const page = await readPage(pool, { scope, after, ...limits });
    seen.push(...page.events.map(({ metadata: { subject, sequence } }) => `${subject} ${sequence}`));
    after = page.upTo;
    ({ more } = page);
  }
  return seen;
}

test.each(cases)('a list of $count instances has pages of $size, complete and without repeats', async (given) => {
  const { size: limit, count } = given;
  const userId = randomUUID();
  const ids = await insert(userId, count);
  await insert(randomUUID(), 1);
  const pages: string[][] = [];
  const users = { lowest: userId, highest: userId };
  for (let after: Place | undefined; ;) {
    const page = await listInstances(pool, { users, limit, after });
    pages.push(page.instances.map(({ id }) => id));
    if (!page.next) break;
    after = cursorSchema.parse(encodeCursor(page.next));
  }
  expect(pages.flat().toSorted()).toEqual(ids.toSorted());
  expect(pages.map(({ length }) => length)).toEqual(count === 0 ? [0] : pageSizes(count, limit));
});

test.each(cases)('the sweeper reads $count rows in pages of $size', async ({ size, count }) => {
  await pool.query('delete from instances');
  const ids = await insert(randomUUID(), count);
  const pages: string[][] = [];
  for await (const page of readSweptRows(pool, 0, size)) pages.push(page.map(({ id }) => id));
  expect(pages.flat()).toEqual(ids.toSorted());
  expect(pages.map(({ length }) => length)).toEqual(pageSizes(count, size));
});

describe('of the audit log', () => {
  const append = async (count: number): Promise<string[]> => {
    const records = Array.from({ length: count }, () => auditRecord());
    if (count > 0) await pool.query('select append_audit_entries($1)', [JSON.stringify(records)]);
    return records.map(({ event_id: id }) => id);
  };

  test.each(cases)('$count entries are found in pages of $size', async ({ size, count }) => {
    const user = randomUUID();
    const records = Array.from({ length: count }, () => auditRecord({ user_id: user }));
    if (count > 0) await pool.query('select append_audit_entries($1)', [JSON.stringify(records)]);
    await append(1);
    const found: string[] = [];
    for (let before: number | undefined; ;) {
      const page = await findEntries(pool, { user: { lowest: user, highest: user }, before }, size);
      found.push(...page.map(({ event_id: id }) => id));
      before = page.at(-1)?.position;
      if (page.length < size) break;
    }
    expect(found).toEqual(records.map(({ event_id: id }) => id).toReversed());
  });

  test.each(cases)('$count entries are verified in pages of $size, and removed in batches of $size', async (given) => {
    const { size, count } = given;
    await pool.query('update audit_retention set minimum_days = 0');
    await removeEntries(pool, await untilNow());
    const verify = async () => {
      const client = await pool.connect();
      try {
        return await verifyAudit(client, undefined, { pageEntries: size });
      } finally {
        client.release();
      }
    };
    const { entries: before } = await verify();
    await append(count);
    expect(await verify()).toMatchObject({ entries: before + count, problem: undefined });
    // Each batch leaves an entry that tells of it, and is younger than what it removed.
    expect(await removeEntries(pool, await untilNow(), size)).toBe(before + count);
    expect((await verify()).problem).toBeUndefined();
  });

  /** By the server's clock, and later than everything that was recorded so far. */
  async function untilNow(): Promise<Date> {
    const { rows } = await pool.query<{ now: Date }>(
      `select clock_timestamp() - interval '1 millisecond' as now from pg_sleep(0.005)`,
    );
    return one(rows).now;
  }
});

/** e.g. 5 in pages of 2 are [2, 2, 1]. */
function pageSizes(count: number, size: number): number[] {
  const pages = Array.from({ length: Math.floor(count / size) }, () => size);
  return count % size === 0 ? pages : [...pages, count % size];
}
