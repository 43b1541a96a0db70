import { randomUUID } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { one, useRig } from '../support/rig.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

/** A leader is replaced within this time after its last sign of life; the rest is for a busy machine. */
const takeOverMs = 16_000;
const patienceMs = takeOverMs + 9_000;

const rig = useRig();
const started: WorkerProcess[] = [];
const proxies: TcpProxy[] = [];

afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.cut();
  await Promise.all(started.splice(0).map(({ kill }) => kill('SIGKILL')));
});

function start(environment: Record<string, string> = {}): WorkerProcess {
  const broker = startWorkerProcess('event-broker', { ...rig.environmentOf('event_broker'), ...environment });
  started.push(broker);
  return broker;
}

/** A process takes long to start on a busy machine. */
const untilItSays = (broker: WorkerProcess, text: string): Promise<void> =>
  vi.waitFor(() => expect(broker.output()).toContain(text), { timeout: 60_000 });

async function startProxy(): Promise<TcpProxy> {
  const proxy = await openTcpProxy(new URL(rig.environment.DATABASE_URL).host);
  proxies.push(proxy);
  return proxy;
}

/** The first broker leads, the second one waits. */
async function startTwo(environment: Record<string, string> = {}): Promise<[WorkerProcess, WorkerProcess]> {
  const leader = start(environment);
  await untilItSays(leader, 'event_broker is ready');
  const standby = start();
  await untilItSays(standby, 'event_broker waits');
  return [leader, standby];
}

async function insertMany(count: number): Promise<string[]> {
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) select $1, $1 from generate_series(1, $2::int) returning id',
    [randomUUID(), count],
  );
  return rows.map(({ id }) => id);
}

const missing = (ids: string[]): string[] => {
  const published = new Set(rig.bus.seen.map(({ subject }) => subject));
  return ids.filter((id) => !published.has(id));
};
const untilPublished = (ids: string[]) =>
  vi.waitFor(() => expect(missing(ids).length).toBe(0), { timeout: 60_000, interval: 100 });
const untilTakenOver = (standby: WorkerProcess) =>
  vi.waitFor(() => expect(standby.output()).toMatch(/took over/), { timeout: patienceMs, interval: 100 });

/** Stops the leader while it waits for PostgreSQL, with nothing on its way to RabbitMQ. */
async function stopBetweenBatches({ child }: WorkerProcess): Promise<void> {
  const locker = await rig.connect();
  await locker.query('begin; lock table event_log_publications in exclusive mode');
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query(
      `select from pg_locks where relation = 'event_log_publications'::regclass and not granted
         and database = (select oid from pg_database where datname = current_database())`,
    );
    expect(rows).toHaveLength(1);
  });
  // What was taken before is published meanwhile.
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query<{ given: string }>('select last_given as given from event_log_positions');
    expect(rig.bus.seen.at(-1)?.headers['position']).toBe(Number(one(rows).given));
  });
  child.kill('SIGSTOP');
  await locker.query('rollback');
}

test('a leader that is stopped by a signal is replaced, and publishes nothing of its own once it goes on', async () => {
  const [leader, standby] = await startTwo();
  const backlog = await insertMany(4_000);
  await vi.waitFor(() => expect(missing(backlog).length).toBeLessThan(4_000), { interval: 2 });
  await stopBetweenBatches(leader);
  // A leader that was quick has published all others.
  backlog.push(...(await insertMany(20)));
  await untilTakenOver(standby);
  await untilPublished(backlog);

  const later = await insertMany(20);
  await untilPublished(later);
  await rig.untilBusIsQuiet();
  const publishedBefore = rig.bus.seen.length;
  leader.child.kill('SIGCONT');
  await vi.waitFor(() => expect(leader.output()).toMatch(/trying again[^]*event_broker waits/));
  await rig.untilBusIsQuiet();
  expect(rig.bus.seen.length - publishedBefore).toBe(1);
}, 180_000);

test('a leader that the database no longer hears is replaced', async () => {
  const proxy = await startProxy();
  const url = Object.assign(new URL(rig.environmentOf('event_broker').DATABASE_URL), { host: proxy.address });
  const [, standby] = await startTwo({ DATABASE_URL: url.href });
  proxy.mute();
  const ids = await insertMany(20);
  await untilTakenOver(standby);
  await untilPublished(ids);
  await rig.untilBusIsQuiet();
  expect(ids.filter((id) => rig.bus.of(id).length !== 1)).toEqual([]);
}, 180_000);

test('no other login can keep the leader out', async () => {
  const stranger = await rig.connect();
  await stranger.query('select pg_advisory_lock(7310224)');
  const leader = start();
  await vi.waitFor(() => expect(leader.output()).toContain('event_broker is ready'), { timeout: 60_000 });
});
