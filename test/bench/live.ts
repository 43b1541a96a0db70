import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pRetry from 'p-retry';
import pg from 'pg';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { watchEvents } from '../../bridge/bus/watch-events.ts';
import { migrate } from '../../database/migrate.ts';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { tokenSettings } from '../support/tokens.ts';
import { startWorkerProcess } from '../support/worker-process.ts';
import { openBareClients, openLiveClients, type LiveClient } from './live-clients.ts';
import type { FromFloor, StartFloor } from './live-floor.ts';
import { sampleMemory } from './memory-of.ts';

/**
 * `npm run bench:live`: many users with a WebSocket each, and changes of their rows all the time. Tells whether every client
 * got exactly its own events in order (exit code 1 if not), how long they took from the bus to it, next to a bare push of
 * messages of that size at that rate while the same changes go on, and what memory user_backend took, which is
 * run as in production.
 */
const { values: given } = parseArgs({
  options: {
    clients: { type: 'string', default: '2000' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
  },
});
const [count, rate, seconds] = [Number(given.clients), Number(given.rate), Number(given.seconds)];
const directory = resolve(stackRoot, 'bench-live');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

await resetStack(directory);
const stack = await startStack({ directory, toolsDirectory, portBase: 'free', temporal: false, onProgress: say });
const { databaseUrl, amqpUrl } = stack;
await migrate({ databaseUrl });
const shared = {
  DATABASE_URL: databaseUrl,
  AMQP_URL: amqpUrl,
  // It is asked for, but not used.
  TEMPORAL_ADDRESS: '127.0.0.1:7233',
};
const broker = startWorkerProcess('event-broker', { ...shared, EVENT_BROKER_HEALTH_PORT: '0' }, [], { programs: null });
const { userBackend: port } = await choosePorts('free');
const backend = startWorkerProcess(
  'user-backend',
  {
    ...shared,
    ...tokenSettings,
    USER_BACKEND_PORT: String(port),
    USER_BACKEND_HEALTH_PORT: '0',
  },
  [],
  { programs: null },
);
const memory = sampleMemory(backend.child.pid ?? 0);
const floor = fork(fileURLToPath(new URL('live-floor.ts', import.meta.url)), { execArgv: ['--import', 'tsx'] });
const heard = <Type extends FromFloor['type']>(type: Type): Promise<Extract<FromFloor, { type: Type }>> =>
  new Promise((resolveWith, reject) => {
    floor.once('exit', () => reject(new Error('the process of the floor ended')));
    floor.on('message', (message: FromFloor) => {
      if (message.type === type) resolveWith(message as Extract<FromFloor, { type: Type }>);
    });
  });
const floorPort = heard('listening');
const pool = new pg.Pool({ connectionString: databaseUrl });
const amqp = await openAmqp({ amqpUrl, connectionName: 'bench' });

try {
  const onBus = new Map<string, number>();
  await watchEvents({
    channel: await amqp.openChannel(),
    keys: ['instance.updated'],
    onMessage: ({ properties }) => onBus.set(String(properties.messageId), performance.now()),
  });
  const userIds = Array.from({ length: count }, () => randomUUID());
  const { rows } = await pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) select gen_random_uuid(), unnest($1::uuid[]) returning id',
    [userIds],
  );
  await pRetry(() => fetch(`http://127.0.0.1:${port}/page-settings`), { retries: 50, minTimeout: 200, factor: 1 });
  const clients = await openLiveClients(port, userIds);
  say(`${count} clients are connected; ${rate} changes a second for ${seconds} s`);
  await delay(5_000);

  const firstSample = memory.samples.length;
  const ids = rows.map(({ id }) => id);
  const took = await change(ids);
  await untilAllCame(clients, onBus);
  const samples = memory.samples.slice(firstSample - 1);
  const wrong = await findWrong(userIds, clients);
  const delays = clients.flatMap(({ arrivals }) => arrivals.map(({ id, at }) => at - (onBus.get(id) ?? NaN)));
  for (const client of clients) client.close();

  const bare = await openBareClients((await floorPort).port, count);
  const pushed = heard('pushed');
  // The same changes go on: servers and push share the machine as they did before.
  floor.send({ messages: rate * seconds, perSecond: rate } satisfies StartFloor);
  await Promise.all([pushed, change(ids)]);
  while (bare.delays.length < rate * seconds) await delay(10);
  bare.close();

  say('');
  say(`${delays.length} events to ${count} clients, ${Math.round(delays.length / took)} a second (ms)`);
  say(`${''.padEnd(24)}     min  median     p95     max`);
  report('bus → client', delays);
  report('floor: bare push', bare.delays);
  const [first = NaN, middle = NaN, last = NaN] = [samples[0], samples[samples.length >> 1], samples.at(-1)];
  const mib = [first, middle, last, Math.max(...samples)].map((value) => value.toFixed(0));
  say(
    `RSS of user_backend in MiB: ${mib[0]} at the start, ${mib[1]} in the middle, ${mib[2]} at the end, ${mib[3]} at most`,
  );
  say(wrong === 0 ? 'every client got exactly its own events, in order' : `${wrong} clients got something else`);
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  floor.disconnect();
  memory.end();
  await Promise.all([broker.kill('SIGTERM'), backend.kill('SIGTERM')]);
  await Promise.all([amqp.close(), pool.end()]);
  await stack.stop();
  await resetStack(directory);
}

/** Changes rows in turn. @returns the seconds that it took */
async function change(ids: readonly string[]): Promise<number> {
  const began = performance.now();
  for (let done = 0; done < rate * seconds;) {
    const due = Math.min(Math.floor(((performance.now() - began) / 1000) * rate), rate * seconds);
    const batch = Array.from({ length: due - done }, (_, index) => ids[(done + index) % ids.length]);
    await pool.query('update instances set metadata = $2 where id = any ($1)', [batch, { done }]);
    done = due;
    await delay(10);
  }
  return (performance.now() - began) / 1000;
}

/** Until nothing has come for some seconds: what is missing then is found by its absence. */
async function untilAllCame(clients: readonly LiveClient[], onBus: ReadonlyMap<string, number>): Promise<void> {
  const came = (): number => clients.reduce((sum, { arrivals }) => sum + arrivals.length, 0);
  for (let before = -1; came() < onBus.size || onBus.size < rate * seconds;) {
    if (came() === before) return;
    before = came();
    await delay(5_000);
  }
}

/** @returns how many clients did not get what the log says that they should have */
async function findWrong(userIds: readonly string[], clients: readonly LiveClient[]): Promise<number> {
  const { rows } = await pool.query<{ user_id: string; ids: string[] }>(
    `select user_id, array_agg(event_id::text order by position) as ids from event_log
     where notification ->> 'event_type' = 'update' group by user_id`,
  );
  const expected = new Map(rows.map(({ user_id: userId, ids }) => [userId, ids]));
  return clients.filter(({ arrivals }, index) => {
    const ids = expected.get(userIds[index] ?? '') ?? [];
    return String(arrivals.map(({ id }) => id)) !== String(ids);
  }).length;
}

function report(name: string, values: readonly number[]): void {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN;
  say(`  ${name.padEnd(22)}${[0, 0.5, 0.95, 1].map((share) => at(share).toFixed(1).padStart(8)).join('')}`);
}
