import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findDeleted } from '../../../database/instances/sweep-rows.ts';
import { recordFinalStatus } from '../../../database/instances/status.ts';
import { markPublished, markRejected, takeUnpublished } from '../../../bridge/event-broker/event-log.ts';
import { readHead, readPage } from '../../../backends/live/published-events.ts';
import { openEventLog } from '../../support/event-log.ts';
import { openTestPool } from '../../support/test-pool.ts';

/** An administrator removes entries from the log by hand. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let client: pg.Client;
let pool: pg.Pool;
beforeEach(async () => {
  log = await openEventLog();
  client = new pg.Client(log.databaseUrl);
  await client.connect();
  pool = openTestPool({ connectionString: log.databaseUrl, max: 1 });
  // An idle connection may still exist when the database is dropped.
});
afterEach(async () => {
  await Promise.all([client.end(), pool.end()]);
  await log.close();
});

const insert = async (id: string = randomUUID()): Promise<string> => {
  await log.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1)', [id]);
  return id;
};
/** Changes an instance until its row has that sequence. */
const changeUpTo = async (id: string, sequence: number): Promise<void> => {
  for (let count = 2; count <= sequence; count += 1) {
    await log.query('update instances set metadata = jsonb_build_object($2::text, 1) where id = $1', [id, `n${count}`]);
  }
};
const remove = (id: string) => log.query('delete from instances where id = $1', [id]);
const publish = async (): Promise<number[]> => {
  const entries = await takeUnpublished(client, { maxEntries: 1_000, maxBytes: 1e9 });
  await markPublished(
    client,
    entries.map(({ id }) => id),
  );
  return entries.map(({ position }) => position);
};
const clean = () => log.query('delete from event_log where published_at < now()');
const lastOf = async (id: string) => {
  const { rows } = await log.query<{ sequence: number; status: string }>(
    `select sequence::int, notification -> 'row_data' ->> 'status' as status from event_log where entity_id = $1
     order by sequence desc limit 1`,
    [id],
  );
  return rows[0];
};

test('positions go on where the whole log was removed', async () => {
  await insert();
  await insert();
  expect(await publish()).toEqual([1, 2]);
  await clean();
  expect(await readHead(pool)).toBe(2);
  await insert();
  expect(await publish()).toEqual([3]);
});

test('positions go on where the newest entries were removed, and those of the middle', async () => {
  for (let count = 0; count < 5; count += 1) await insert();
  expect(await publish()).toEqual([1, 2, 3, 4, 5]);
  await log.query('delete from event_log where position in (3, 5)');
  await insert();
  expect(await publish()).toEqual([6]);
  expect(await readHead(pool)).toBe(6);
});

test('a batch that is taken twice at the same time gets its positions once', async () => {
  const other = new pg.Client(log.databaseUrl);
  await other.connect();
  for (let count = 0; count < 3; count += 1) await insert();
  await client.query('begin');
  const first = await takeUnpublished(client, { maxEntries: 10, maxBytes: 1e9 });
  const { rows: backend } = await other.query('select pg_backend_pid() as pid');
  const second = takeUnpublished(other, { maxEntries: 10, maxBytes: 1e9 });
  await vi.waitFor(async () => {
    const { rows: waits } = await log.query('select from pg_locks where pid = $1 and not granted', [backend[0].pid]);
    expect(waits).toHaveLength(1);
  });
  await client.query('commit');
  await second;
  const { rows } = await log.query('select position::int from event_log order by id');
  expect(rows).toEqual(first.map(({ position }) => ({ position })));
  await other.end();
});

test('a page says whether entries behind its beginning were removed, wherever they were', async () => {
  const ids = [await insert(), await insert()];
  for (const id of ids) await changeUpTo(id, 4);
  await publish();
  const isComplete = async (after: number) => (await readPage(pool, { scope: 'everything', after })).isComplete;
  expect(await isComplete(0)).toBe(true);
  await log.query('delete from event_log where position = 4');
  expect([await isComplete(0), await isComplete(3), await isComplete(4), await isComplete(7)]).toEqual([
    false,
    false,
    true,
    true,
  ]);
  await clean();
  expect([await isComplete(7), await isComplete(8)]).toEqual([false, true]);
});

test('a row of an id that was used goes on after the sequences of the one before', async () => {
  const id = await insert();
  await changeUpTo(id, 10);
  await remove(id);
  await publish();
  await clean();
  await insert(id);
  const { rows } = await log.query(
    'select sequence::int, generation::int, observed_generation::int as observed from instances where id = $1',
    [id],
  );
  expect(rows).toEqual([{ sequence: 12, generation: 12, observed: 11 }]);
});

test('the last event of a deleted instance is written, once, and a row that comes later goes on after it', async () => {
  const id = await insert();
  await changeUpTo(id, 10);
  await remove(id);
  await publish();
  await clean();
  expect(await recordFinalStatus(pool, id)).toBeNull();
  expect(await lastOf(id)).toEqual({ sequence: 12, status: 'stopped' });
  await publish();
  await clean();
  expect(await recordFinalStatus(pool, id)).toBeNull();
  expect(await lastOf(id)).toBeUndefined();
  await insert(id);
  expect(await lastOf(id)).toEqual({ sequence: 13, status: 'pending' });
});

test('a sweep finds the sequence of a deletion, and of a last event', async () => {
  const [deleted, ended] = [await insert(), await insert()];
  for (const id of [deleted, ended]) {
    await changeUpTo(id, 10);
    await remove(id);
  }
  await recordFinalStatus(pool, ended);
  await publish();
  await clean();
  const gone = await findDeleted(pool, [deleted, ended]);
  expect(gone).toEqual(
    expect.arrayContaining([
      { id: deleted, sequence: 11 },
      { id: ended, sequence: 12 },
    ]),
  );
});

test('an agent of an id that was used goes on, too', async () => {
  const id = randomUUID();
  const publishAgent = () =>
    log.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{}') returning sequence::int`, [
      id,
    ]);
  await publishAgent();
  await log.query('delete from agents where id = $1', [id]);
  await publish();
  await clean();
  expect((await publishAgent()).rows).toEqual([{ sequence: 3 }]);
});

test('what was not published yet cannot be removed; what was set aside can', async () => {
  await insert();
  await publish();
  const waiting = await insert();
  await expect(log.query('delete from event_log')).rejects.toMatchObject({
    message: '1 of the entries to remove from event_log were not published yet',
    hint: expect.stringContaining('published_at <'),
  });
  for (const table of ['event_log_entries', 'event_log_waiting', 'event_log_publications']) {
    await expect(log.query(`truncate ${table}`)).rejects.toMatchObject({
      message: `TRUNCATE ${table} would lose events that were not published yet`,
    });
  }
  const [entry] = await takeUnpublished(client, { maxEntries: 1, maxBytes: 1e9 });
  expect(entry?.entityId).toBe(waiting);
  await markRejected(client, entry?.id ?? '', 'as a test');
  await log.query('delete from event_log');
  await insert();
  expect(await publish()).toEqual([3]);
});

test('nobody makes an update look like the numbering of a new row', async () => {
  const id = await insert();
  const owner = new pg.Client(log.databaseUrl);
  await owner.connect();
  await owner.query(`select set_config('events.renumbers', $1, false)`, [id]);
  await owner.query(`update instances set config = '{"a": 1}', sequence = 77, generation = 77 where id = $1`, [id]);
  await owner.end();
  const { rows } = await log.query('select sequence::int, generation::int from instances where id = $1', [id]);
  expect(rows).toEqual([{ sequence: 2, generation: 2 }]);
  expect(await lastOf(id)).toMatchObject({ sequence: 2 });
});
