import { randomUUID } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { one, useRig } from '../support/rig.ts';
import type { Service } from '../../workers/services/service.ts';

const rig = useRig();
const started: Service[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.stop()));
});

async function start(): Promise<Service> {
  const broker = await rig.startEventBroker();
  started.push(broker);
  return broker;
}

const health = async ({ healthPort }: Service): Promise<unknown> =>
  (await fetch(`http://127.0.0.1:${healthPort}/ready`)).json();

const readiness = async ({ healthPort }: Service): Promise<number> =>
  (await fetch(`http://127.0.0.1:${healthPort}/ready`)).status;

/** Connections of event_broker to this database, and those among them that lead. */
async function brokers(): Promise<{ connected: number; leading: number }> {
  const { rows } = await rig.pool.query<{ connected: number; leading: number }>(
    `select count(*)::int as connected, count(l.backend_pid)::int as leading
     from pg_stat_activity a left join event_broker_leader l
       on l.backend_pid = a.pid and l.backend_start = a.backend_start and l.holder is not null
     where a.datname = current_database() and a.application_name = 'event_broker'`,
  );
  return one(rows);
}

async function insertMany(): Promise<string[]> {
  const ids: string[] = [];
  for (let count = 0; count < 20; count += 1) ids.push(await rig.insertInstance(randomUUID()));
  return ids;
}

async function expectOnceEach(ids: string[]): Promise<void> {
  for (const id of ids) await rig.bus.until(id, 'instance.created');
  await rig.untilBusIsQuiet();
  expect(ids.filter((id) => rig.bus.of(id).length !== 1)).toEqual([]);
}

test('of two brokers one publishes, and the other takes over when it is stopped or loses its connection', async () => {
  const first = await start();
  await first.ready();
  const second = await start();
  const before = await insertMany();
  await expectOnceEach(before);
  // Nothing says when the second one has connected: it is no leader, so it is not ready.
  await vi.waitFor(async () => expect(await brokers()).toEqual({ connected: 2, leading: 1 }));
  expect([await readiness(first), await readiness(second)]).toEqual([200, 503]);
  await vi.waitFor(async () =>
    expect(await health(second)).toMatchObject({
      parts: [
        { ready: false, standby: expect.stringMatching(/^event_broker on .*, process \d+ leads since 20/) as string },
      ],
    }),
  );

  const during = insertMany();
  await first.stop();
  await second.ready();
  await expectOnceEach(await during);
  expect(await brokers()).toEqual({ connected: 1, leading: 1 });
  expect(await readiness(second)).toBe(200);

  const third = await start();
  await rig.pool.query(`select pg_terminate_backend(backend_pid) from event_broker_leader`);
  for (const id of await insertMany()) await rig.bus.until(id, 'instance.created');
  expect((await brokers()).leading).toBe(1);

  await third.stop();
  await second.ready();
  await expectOnceEach(await insertMany());
});

test('a standby can be stopped while it waits, and so can a broker that has not begun yet', async () => {
  const leader = await start();
  await leader.ready();
  const standby = await start();
  await standby.stop();
  const hardlyStarted = await start();
  await hardlyStarted.stop();
  await expectOnceEach(await insertMany());
  await leader.stop();
  expect(await brokers()).toEqual({ connected: 0, leading: 0 });
});
