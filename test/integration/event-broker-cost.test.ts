import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startEventBroker } from '../../bridge/event-broker/event-broker.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { one, useRig } from '../support/rig.ts';
import { tapMethods, tapStatements, type Tap } from '../support/wire-counts.ts';

/** What a drain costs, in counts that do not depend on the machine. How fast it is: npm run bench:drain. */

const rig = useRig();
const [never, perBatch] = [60 * 60 * 1000, 200];
let statements: Tap<string>;
let methods: Tap<string>;
let broker: Supervised | undefined;

beforeEach(async () => {
  const { DATABASE_URL, AMQP_URL } = rig.environmentOf('event_broker');
  statements = await tapStatements(new URL(DATABASE_URL).host);
  methods = await tapMethods(new URL(AMQP_URL).host);
});
afterEach(async () => {
  await broker?.stop();
  await Promise.all([statements.close(), methods.close()]);
});

function start(): void {
  const { databaseDirectUrl, amqpUrl } = readConfiguration(rig.environmentOf('event_broker'));
  const through = (url: string, { address }: Tap<string>): string =>
    Object.assign(new URL(url), { host: address }).href;
  broker = startEventBroker({
    databaseUrl: through(databaseDirectUrl, statements),
    amqpUrl: through(amqpUrl, methods),
    logger: pino({ level: 'silent' }),
    onFatal: (error) => rig.fatal.push(error),
    pollMs: never,
    topologyMs: never,
    maxBatchEntries: perBatch,
  });
}

/** Each instance has as many entries. */
async function write(instances: number, changes: number): Promise<void> {
  const userId = randomUUID();
  await rig.pool.query('insert into instances (agent_id, user_id) select $1, $1 from generate_series(1, $2::int)', [
    userId,
    instances,
  ]);
  for (let change = 1; change < changes; change += 1) {
    await rig.pool.query('update instances set metadata = $2 where user_id = $1', [userId, { change }]);
  }
}

const untilPublished = () =>
  vi.waitFor(
    async () => {
      const { rowCount } = await rig.pool.query('select from event_log where published_at is null limit 1');
      expect(rowCount).toBe(0);
    },
    { timeout: 30_000, interval: 100 },
  );

/** Statements about the log; a leader also renews its lease from time to time. */
const aboutTheLog = () => statements.seen.filter((text) => /event_log/.test(text) && !/where false/.test(text)).length;
const publish = '60.40';
const publications = () => methods.seen.filter((method) => method === publish).length;

test('a drain takes one statement for each batch, one publication for each entry, and rewrites no entry', async () => {
  await write(500, 4);
  const entries = 2_000;
  start();
  await untilPublished();
  await broker?.stop();

  // Two more: they mark the last batch, and find that nothing is left.
  expect(aboutTheLog()).toBeLessThanOrEqual(entries / perBatch + 2);
  // One more: an empty message shows at the start that the account may publish, before the first entry.
  expect(publications()).toBe(entries + 1);
  const [, first = NaN] = [...methods.seen.keys()].filter((index) => methods.seen[index] === publish);
  const operations = methods.seen.slice(first, methods.seen.lastIndexOf(publish) + 1);
  expect(operations).toHaveLength(entries);
  // The statistics of a session are there once it has ended.
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query(
      `select relname as table, n_tup_upd::int as updates, (n_tup_upd - n_tup_hot_upd)::int as "with indexes"
       from pg_stat_user_tables where relname like 'event_log%' and n_tup_upd > 1000`,
    );
    expect(rows).toEqual([{ table: 'event_log_publications', updates: entries, 'with indexes': 0 }]);
  });
});

test('one entry takes two statements: the second marks it and finds that nothing is left', async () => {
  start();
  const publishOne = async (): Promise<void> => {
    const id = await rig.insertInstance(randomUUID());
    await rig.bus.until(id, 'instance.created');
    await untilPublished();
  };
  // The broker has looked at the log once when it has published this one.
  await publishOne();
  const [before, published] = [aboutTheLog(), publications()];
  await publishOne();
  await broker?.stop();
  expect([aboutTheLog() - before, publications() - published]).toEqual([2, 1]);
});

test('a drain reads the entries that it publishes, and no more of a log that is long', async () => {
  await rig.pool.query('vacuum analyze');
  const scans = async (): Promise<number> => {
    const { rows } = await rig.pool.query<{ scans: number }>(
      `select sum(seq_scan)::int as scans from pg_stat_user_tables
       where relname in ('event_log_entries', 'event_log_publications')`,
    );
    return one(rows).scans;
  };
  const before = await scans();
  const id = await rig.insertInstance(randomUUID());
  start();
  await rig.bus.until(id, 'instance.created');
  await broker?.stop();
  expect(await scans()).toBe(before);
});
