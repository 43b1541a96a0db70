import { randomUUID } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import type { LiveUpdatesOptions } from '../../backends/live/live-updates.ts';
import { openReplica, type Replica } from '../support/live.ts';
import { one, useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker'] });
const replicas: Replica[] = [];

afterEach(async () => {
  await Promise.all(replicas.splice(0).map((replica) => replica.close()));
});

async function open(options: Partial<LiveUpdatesOptions> = {}): Promise<Replica> {
  const replica = await openReplica(rig, options);
  replicas.push(replica);
  return replica;
}

async function insert(userId: string): Promise<string> {
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values (gen_random_uuid(), $1) returning id',
    [userId],
  );
  return one(rows).id;
}

const note = (id: string, text: unknown) =>
  rig.pool.query('update instances set metadata = $2 where id = $1', [id, { text }]);

/** The sequences that follow an insert, as a client is told of them. */
const updates = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `instance.updated ${from + index}`);

test('a user is told of the updates and deletions of its own instances, with what a page needs, and of no others', async () => {
  const replica = await open();
  const [mine, theirs] = [randomUUID(), randomUUID()];
  const [me, them] = [await replica.watch({ userId: mine }), await replica.watch({ userId: theirs })];
  await Promise.all([me.ready(), them.ready()]);
  const id = await insert(mine);
  const other = await insert(theirs);
  await note(id, 'hello');
  await note(other, 'hidden');
  await rig.deleteInstance(id);
  await Promise.all([me.until(2), them.until(1)]);
  await rig.untilBusIsQuiet();
  expect(me.outline()).toEqual(['ready', 'instance.updated 2', 'instance.deleted 3']);
  expect(them.outline()).toEqual(['ready', 'instance.updated 2']);
  const onBus = rig.bus.of(id)[1];
  expect(me.messages[1]).toEqual({
    type: 'instance.updated',
    event_id: onBus?.id,
    position: onBus?.headers['position'],
    sequence: 2,
    time: onBus?.headers['cloudEvents:time'],
    agent_id: onBus?.headers['agent_id'],
    user_id: mine,
    desired_state: 'running',
    generation: 1,
    observed_generation: 0,
    instance: onBus?.body,
  });
});

test('an admin may watch everybody, and nobody else may', async () => {
  const replica = await open();
  const admin = await replica.watch({ userId: randomUUID(), isAdmin: true, all: true });
  await admin.ready();
  const ids = [await insert(randomUUID()), await insert(randomUUID())];
  for (const id of ids) await note(id, 1);
  await admin.until(2);
  expect(admin.events().map(({ instance }) => instance?.['instance_id'])).toEqual(ids);
  const curious = await replica.watch({ userId: randomUUID(), all: true });
  expect((await curious.closed).code).toBe(4003);
});

test('each replica gets everything, and a client that changes over misses nothing and sees nothing twice', async () => {
  const [one_, two] = [await open(), await open()];
  const userId = randomUUID();
  const [first, second] = [await one_.watch({ userId }), await two.watch({ userId })];
  await Promise.all([first.ready(), second.ready()]);
  const id = await insert(userId);
  for (let count = 0; count < 20; count += 1) await note(id, count);
  await Promise.all([first.until(20), second.until(20)]);
  expect(first.events()).toEqual(second.events());
  await first.close();

  for (let count = 20; count < 300; count += 1) await note(id, count);
  const again = await two.watch({ userId, after: first.lastSeen() });
  await note(id, 'last');
  await Promise.all([again.until(281), second.until(301)]);
  expect([...first.events(), ...again.events()]).toEqual(second.events());
  expect(second.outline()).toEqual(['ready', ...updates(2, 302)]);
});

test('a client that was away when an earlier change committed late still gets it', async () => {
  const replica = await open();
  const userId = randomUUID();
  const [slow, quick] = [await insert(userId), await insert(userId)];
  const before = await replica.watch({ userId });
  await before.ready();
  const writer = await rig.connect();
  await writer.query('begin');
  await writer.query(`update instances set metadata = '{"text": "late"}' where id = $1`, [slow]);
  await note(quick, 'early');
  await before.until(1);
  await before.close();
  await writer.query('commit');
  await rig.untilBusIsQuiet();

  const after = await replica.watch({ userId, after: before.lastSeen() });
  await after.ready();
  const order = [...before.events(), ...after.events()].map(({ instance }) => instance?.['metadata']);
  expect(order).toEqual([{ text: 'early' }, { text: 'late' }]);
});

test.each([
  ['is not known', () => randomUUID()],
  ['is no id', () => 'the last one'],
])('a client whose last event %s reads its instances anew, and goes on from now', async (_, after) => {
  const replica = await open();
  const userId = randomUUID();
  const witness = await replica.watch({ userId });
  await witness.ready();
  const id = await insert(userId);
  await note(id, 'before');
  await witness.until(1);
  const client = await replica.watch({ userId, after: after() });
  await client.ready();
  await note(id, 'after');
  await client.until(1);
  expect(client.messages.slice(0, 2)).toEqual([{ type: 'resync', reason: 'unknown_event' }, { type: 'ready' }]);
  expect(client.outline().slice(2)).toEqual(['instance.updated 3']);
});

test('nor is one sent more than so many that it missed, or what came after an event of somebody else', async () => {
  const replica = await open({ maxMissedEvents: 10 });
  const userId = randomUUID();
  const first = await replica.watch({ userId });
  await first.ready();
  const id = await insert(userId);
  await note(id, 0);
  await first.until(1);
  for (let count = 1; count <= 10; count += 1) await note(id, count);
  await first.until(11);
  const after = first.events()[0]?.event_id;

  const justInTime = await replica.watch({ userId, after });
  await justInTime.ready();
  expect(justInTime.outline()).toEqual([...updates(3, 12), 'ready']);
  await note(id, 11);
  await first.until(12);
  const late = await replica.watch({ userId, after });
  await late.ready();
  expect(late.messages[0]).toEqual({ type: 'resync', reason: 'too_many_events' });
  const stranger = await replica.watch({ userId: randomUUID(), after });
  await stranger.ready();
  expect(stranger.messages[0]).toEqual({ type: 'resync', reason: 'unknown_event' });
});

test('a connection that does not answer is given up; one that does goes on', async () => {
  const replica = await open({ heartbeatMs: 200 });
  const userId = randomUUID();
  const lively = await replica.watch({ userId });
  const dead = await replica.watch({ userId }, { autoPong: false });
  expect((await dead.closed).code).toBe(1006);
  await vi.waitUntil(() => replica.live.counts().clients === 1);
  expect(lively.socket.readyState).toBe(lively.socket.OPEN);
});

test('a connection ends with its token, and with the server, and says so', async () => {
  const replica = await open();
  const userId = randomUUID();
  const expiring = await replica.watch({ userId, expiresAt: new Date(Date.now() + 300) });
  await expiring.ready();
  expect(await expiring.closed).toEqual({ code: 4001, reason: expect.stringContaining('expired') as string });
  const staying = await replica.watch({ userId, expiresAt: new Date(Date.now() + 1000 * 24 * 60 * 60 * 1000) });
  await staying.ready();
  await replica.live.close();
  expect((await staying.closed).code).toBe(1001);
  expect(replica.live.counts()).toEqual({ clients: 0, users: 0, catchingUp: 0 });
});

test('a user has so many connections, and others theirs', async () => {
  const replica = await open({ maxConnectionsPerUser: 2 });
  const userId = randomUUID();
  const [first] = [await replica.watch({ userId }), await replica.watch({ userId })];
  const third = await replica.watch({ userId });
  expect(await third.closed).toEqual({ code: 4029, reason: expect.stringContaining('Too many') as string });
  await (await replica.watch({ userId: randomUUID() })).ready();
  await first.close();
  await vi.waitUntil(() => replica.live.counts().clients === 2);
  await (await replica.watch({ userId })).ready();
});

test('what a client says is not read, and too much of it ends the connection', async () => {
  const replica = await open();
  const client = await replica.watch({ userId: randomUUID() });
  client.socket.send('anything');
  await client.ready();
  client.socket.send('x'.repeat(2_000));
  expect((await client.closed).code).toBe(1009);
});

test('a client that was away for more events than a page holds gets all of them, although nothing follows', async () => {
  const replica = await open();
  const userId = randomUUID();
  const before = await replica.watch({ userId });
  await before.ready();
  await note(await insert(userId), 'first');
  await before.until(1);
  await before.close();
  await rig.pool.query(
    'insert into instances (agent_id, user_id) select gen_random_uuid(), $1 from generate_series(1, 450)',
    [userId],
  );
  const { rows } = await rig.pool.query<{ id: string }>(
    `update instances set metadata = '{"away": true}' where user_id = $1 and metadata = '{}' returning id`,
    [userId],
  );
  await rig.untilBusIsQuiet();

  const after = await replica.watch({ userId, after: before.lastSeen() });
  await after.ready();
  const told = after.events().map(({ instance }) => String(instance?.['instance_id']));
  expect(told.toSorted()).toEqual(rows.map(({ id }) => id).toSorted());
});
