import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect } from 'amqplib';
import pg from 'pg';
import type { EventMessage } from '../../bridge/bus/outgoing-event.ts';
import { eventLogColumns, toEventLogEntry, type EventLogRow } from '../../bridge/event-broker/event-log.ts';
import { translate } from '../../bridge/event-broker/translate.ts';
import { topology } from '../../contracts/topology.ts';
import { migrate } from '../../database/migrate.ts';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

/**
 * `npm run bench:drain`: how many entries of the log event_broker publishes a second, while the log holds ever more published entries.
 * The floor is a process that publishes the same messages, which it has ready, to the same exchange and queues, with as many of
 * them unconfirmed as event_broker has. event_broker is run as in production.
 */
const { values: given } = parseArgs({
  options: {
    entries: { type: 'string', default: '40000' },
    history: { type: 'string', default: '10000,100000,1000000' },
    rounds: { type: 'string', default: '3' },
  },
});
const [count, rounds] = [Number(given.entries), Number(given.rounds)];
const unconfirmed = 200;
const directory = resolve(stackRoot, 'bench-drain');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

await resetStack(directory);
const stack = await startStack({ directory, toolsDirectory, portBase: 'free', temporal: false, onProgress: say });
const { databaseUrl, amqpUrl } = stack;
await migrate({ databaseUrl });
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
const amqp = await connect(amqpUrl);
const channel = await amqp.createConfirmChannel();

try {
  // Declares the queues.
  await withBroker(() => Promise.resolve());
  const table: string[] = [];
  for (const history of given.history.split(',').map(Number)) {
    await fillHistory(history);
    const [drained, floors]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      await write();
      drained.push(await withBroker(drainRate));
      await emptyQueues();
      floors.push(await floorRate(await latestMessages()));
      await emptyQueues();
    }
    const [drain, floor] = [median(drained), median(floors)];
    const cells = [history, drain, floor].map((value) => Math.round(value).toString().padStart(12));
    table.push(`${cells.join('')}${(drain / floor).toFixed(2).padStart(12)}`);
    say(`${drained.map(Math.round).join(', ')} entries/s; floor ${floors.map(Math.round).join(', ')}`);
  }
  say('');
  say(`${count} entries drained in each of ${rounds} rounds, ${unconfirmed} unconfirmed at most; medians`);
  say(['in the log', 'entries/s', 'floor/s', 'of floor'].map((name) => name.padStart(12)).join(''));
  for (const row of table) say(row);
} finally {
  await Promise.all([amqp.close(), pool.end()]);
  await stack.stop();
  await resetStack(directory);
}

/** Writes entries as users do: rows that are inserted, then changed twice. */
async function write(): Promise<void> {
  const { rows } = await pool.query<{ id: string }>(
    `insert into instances (agent_id, user_id, config) select gen_random_uuid(), gen_random_uuid(), '{"interval_ms": 1000}'
     from generate_series(1, $1::int) returning id`,
    [Math.ceil(count / 4)],
  );
  const ids = rows.map(({ id }) => id);
  for (const round of [1, 2])
    await pool.query('update instances set metadata = $2 where id = any ($1)', [ids, { round }]);
  await pool.query('delete from instances where id = any ($1)', [ids]);
}

/** Fills the log up with published entries that look like those that are measured. */
async function fillHistory(history: number): Promise<void> {
  await write();
  await withBroker(drainRate);
  await emptyQueues();
  const { rows } = await pool.query<{ missing: number }>('select $1 - count(*)::int as missing from event_log', [
    history,
  ]);
  const missing = Math.max(rows[0]?.missing ?? 0, 0);
  say(`filling the log with ${missing} published entries`);
  await pool.query(
    `with added as (
       insert into event_log_entries (entity_id, sequence, notification, size_bytes, correlation_id, traceparent)
       select gen_random_uuid(), 1, notification, size_bytes, gen_random_uuid(), traceparent
       from (select * from event_log_entries order by id limit 1) sample, generate_series(1, $1::int) returning id
     ), counter as (
       update event_log_positions set last_given = last_given + $1, last_settled = last_given + $1 returning last_given - $1 as before
     )
     insert into event_log_publications (id, position, user_id, published_at)
     select id, before + row_number() over (order by id), gen_random_uuid(), clock_timestamp() from added, counter`,
    [missing],
  );
  await pool.query('vacuum analyze');
  await pool.query('checkpoint');
}

async function withBroker<Result>(use: () => Promise<Result>): Promise<Result> {
  const environment = { DATABASE_URL: databaseUrl, AMQP_URL: amqpUrl, TEMPORAL_ADDRESS: '127.0.0.1:7233' };
  const broker = startWorkerProcess('event-broker', { ...environment, EVENT_BROKER_HEALTH_PORT: '0' }, [], {
    programs: null,
  });
  try {
    while (!broker.output().includes('event_broker is ready')) await delay(20);
    return await use();
  } finally {
    await broker.kill('SIGTERM');
  }
}

/** Waits until every entry is published. @returns entries a second between the first and the last mark */
async function drainRate(): Promise<number> {
  for (;;) {
    const { rows } = await pool.query<{ settled: boolean }>(
      'select last_settled = last_given and not exists (select from event_log_waiting) as settled from event_log_positions',
    );
    if (rows[0]?.settled) break;
    await delay(250);
  }
  const { rows } = await pool.query<{ rate: number }>(
    `with latest as (select published_at as at from event_log_publications order by position desc limit $1),
       span as (select min(at) as first, max(at) as last from latest)
     select (count(*) filter (where at > first + interval '1 millisecond') / extract(epoch from max(last) - min(first)))::float8 as rate
     from latest, span`,
    [4 * Math.ceil(count / 4)],
  );
  return rows[0]?.rate ?? NaN;
}

/** The messages of the entries that were drained last. */
async function latestMessages(): Promise<EventMessage[]> {
  const { rows } = await pool.query<EventLogRow>(
    `select id, notification, ${eventLogColumns} from event_feed order by position desc limit $1`,
    [count],
  );
  return rows.toReversed().map((row) => translate(toEventLogEntry(row)));
}

/** Publishes messages with `unconfirmed` of them under way. @returns messages a second */
async function floorRate(messages: readonly EventMessage[]): Promise<number> {
  const contents = messages.map(({ body }) => Buffer.from(JSON.stringify(body)));
  const began = performance.now();
  await new Promise<void>((resolveAll, reject) => {
    let [next, confirmed] = [0, 0];
    const publishNext = (): void => {
      const [message, content] = [messages[next], contents[next]];
      if (!message || !content) return;
      next += 1;
      const { metadata, headers, exchange, routingKey } = message;
      const { id: messageId, type, correlationId } = metadata;
      const properties = { messageId, type, correlationId, headers, mandatory: true, persistent: true };
      channel.publish(exchange, routingKey, content, properties, (error: Error | null) => {
        if (error) reject(error);
        confirmed += 1;
        if (confirmed === messages.length) resolveAll();
        publishNext();
      });
    };
    for (let index = 0; index < unconfirmed; index += 1) publishNext();
  });
  return messages.length / ((performance.now() - began) / 1_000);
}

async function emptyQueues(): Promise<void> {
  for (const { name } of topology.queues) await channel.purgeQueue(name);
  await delay(1_000);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
