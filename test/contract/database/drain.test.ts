import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { drain, type DrainOptions } from '../../../bridge/event-broker/drain.ts';
import { openEventLog } from '../../support/event-log.ts';

/** The test decides when and how each publication ends. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let client: pg.Client;
let published: { position: number; confirm: () => void; refuse: (error: Error) => void }[];
let stopping: AbortController;
beforeEach(async () => {
  log = await openEventLog();
  client = new pg.Client(log.databaseUrl);
  await client.connect();
  published = [];
  stopping = new AbortController();
});
afterEach(async () => {
  await client.end();
  await log.close();
});

const write = (count: number) =>
  log.query('insert into instances (agent_id, user_id) select $1, $1 from generate_series(1, $2::int)', [
    randomUUID(),
    count,
  ]);

function start(options: Partial<DrainOptions> = {}): Promise<void> {
  const ended = drain({
    client,
    assertHeld: () => undefined,
    publish: ({ metadata }) =>
      new Promise((confirm, refuse) => published.push({ position: metadata.position ?? NaN, confirm, refuse })),
    limits: { maxEntries: 4, maxBytes: 1e9, maxUnconfirmed: 3 },
    logger: pino({ level: 'silent' }),
    signal: stopping.signal,
    ...options,
  });
  ended.catch(() => undefined);
  return ended;
}

const positions = () => published.map(({ position }) => position);
const untilPublished = (...expected: number[]) => vi.waitFor(() => expect(positions()).toEqual(expected));
const confirm = (...which: number[]) => {
  for (const { position, confirm: confirmIt } of published) if (which.includes(position)) confirmIt();
};
/** Positions of the entries that are marked, and of those that got one and are not. */
async function inTheLog(): Promise<{ marked: number[]; open: number[] }> {
  const { rows } = await log.query<{ position: number; marked: boolean }>(
    'select position::int, published_at is not null as marked from event_log where position is not null order by position',
  );
  const of = (marked: boolean) => rows.filter((row) => row.marked === marked).map(({ position }) => position);
  return { marked: of(true), open: of(false) };
}

test('the next batch is read while one is published, and is published while that one is confirmed', async () => {
  await write(8);
  const ended = start();
  await untilPublished(1, 2, 3);
  await vi.waitFor(async () => expect((await inTheLog()).open).toEqual([1, 2, 3, 4, 5, 6, 7, 8]));
  confirm(1, 3);
  await untilPublished(1, 2, 3, 4, 5);
  // The statement that looks for a third batch marks what was confirmed of the first one.
  await vi.waitFor(async () => expect((await inTheLog()).marked).toEqual([1, 3]));
  confirm(2, 4, 5);
  await untilPublished(1, 2, 3, 4, 5, 6, 7, 8);
  confirm(6, 7, 8);
  await ended;
  expect(await inTheLog()).toEqual({ marked: [1, 2, 3, 4, 5, 6, 7, 8], open: [] });
});

test('after a refusal nothing further is published, and what was not confirmed comes again first', async () => {
  await write(6);
  const ended = start();
  await untilPublished(1, 2, 3);
  published[1]?.refuse(new Error('refused by the test'));
  confirm(1);
  await vi.waitFor(async () => expect((await inTheLog()).open).toHaveLength(6));
  confirm(3);
  await expect(ended).rejects.toThrow('refused by the test');
  expect(positions()).toEqual([1, 2, 3]);
  expect(await inTheLog()).toEqual({ marked: [1, 3], open: [2, 4, 5, 6] });

  published = [];
  await write(1);
  const again = start();
  await untilPublished(2, 4, 5);
  confirm(2, 4, 5);
  await untilPublished(2, 4, 5, 6, 7);
  confirm(6, 7);
  await again;
  expect((await inTheLog()).open).toEqual([]);
});

test('a leader that may have been replaced publishes no further entry, also in the middle of a batch', async () => {
  await write(4);
  let mayBeReplaced = false;
  const ended = start({
    assertHeld: () => {
      if (mayBeReplaced) throw new Error('another one may lead');
    },
  });
  await untilPublished(1, 2, 3);
  mayBeReplaced = true;
  confirm(1, 2, 3);
  await expect(ended).rejects.toThrow('another one may lead');
  expect(positions()).toEqual([1, 2, 3]);
});

test('a drain that is stopped waits for what is under way, marks it, and leaves the rest', async () => {
  await write(9);
  const ended = start();
  await untilPublished(1, 2, 3);
  stopping.abort();
  confirm(1, 2, 3);
  await ended;
  expect(positions()).toEqual([1, 2, 3]);
  expect((await inTheLog()).marked).toEqual([1, 2, 3]);
});

test('an entry that commits late is published between the batches, before what was written after it', async () => {
  const slow = new pg.Client(log.databaseUrl);
  await slow.connect();
  await slow.query('begin');
  const late = randomUUID();
  await slow.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1)', [late]);
  await write(8);
  const ended = start({ limits: { maxEntries: 4, maxBytes: 1e9, maxUnconfirmed: 100 } });
  await untilPublished(1, 2, 3, 4, 5, 6, 7, 8);
  await slow.query('commit');
  await slow.query(`update instances set metadata = '{"a": 1}' where id = $1`, [late]);
  await slow.end();
  confirm(1, 2, 3, 4, 5, 6, 7, 8);
  await untilPublished(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  confirm(9, 10);
  await ended;
  const { rows } = await log.query(
    'select sequence::int, position::int from event_log where entity_id = $1 order by 1',
    [late],
  );
  expect(rows).toEqual([
    { sequence: 1, position: 9 },
    { sequence: 2, position: 10 },
  ]);
});
