import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startUserBackend, type UserBackend } from '../support/backends.ts';
import { useRig } from '../support/rig.ts';
import { signToken } from '../support/tokens.ts';

const rig = useRig({ services: ['event_broker'] });
let backend: UserBackend;

beforeAll(async () => {
  backend = await startUserBackend(rig);
});
afterAll(() => backend?.stop());

interface Message {
  type: string;
  event_id?: string;
  instance?: { instance_id: string };
}

/** A client as any other: the token is a subprotocol, since browsers can send no header. */
function connect(token: string | undefined, query = '') {
  const protocols = token === undefined ? ['instances.v1'] : ['instances.v1', `bearer.${token}`];
  const socket = new WebSocket(`${backend.url.replace('http', 'ws')}/v1/updates${query}`, protocols);
  onTestFinished(() => socket.terminate());
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString('utf8')) as Message));
  socket.on('error', () => undefined);
  return {
    socket,
    messages,
    until: (type: string, count = 1) =>
      vi.waitFor(
        () => expect(messages.filter((message) => message.type === type).length).toBeGreaterThanOrEqual(count),
        {
          timeout: 20_000,
        },
      ),
    refusal: async (): Promise<unknown> => {
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      return response.statusCode;
    },
    closing: async (): Promise<unknown> => (await once(socket, 'close'))[0],
  };
}

const insertFor = async (userId: string): Promise<string> => {
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values (gen_random_uuid(), $1) returning id',
    [userId],
  );
  return String(rows[0]?.id);
};
const touch = (id: string) =>
  rig.pool.query(`update instances set metadata = jsonb_build_object('at', now()) where id = $1`, [id]);

test('the upgrade is refused without a token, and with one that is not valid', async () => {
  expect(await connect(undefined).refusal()).toBe(401);
  expect(await connect('garbage').refusal()).toBe(401);
  expect(await connect(await signToken({ userId: randomUUID(), expiresIn: '-1 h' })).refusal()).toBe(401);
  const wrong = await signToken({ userId: randomUUID(), secret: 'another-secret-0123456789-0123456789-01' });
  expect(await connect(wrong).refusal()).toBe(401);
});

test('a user hears of own instances alone; an admin who asks for all hears of everybody’s', async () => {
  const [mine, other] = [randomUUID(), randomUUID()];
  const me = connect(await signToken({ userId: mine }));
  const admin = connect(await signToken({ userId: randomUUID(), roles: ['admin'] }), '?all=true');
  await Promise.all([me.until('ready'), admin.until('ready')]);
  const [first, second] = [await insertFor(mine), await insertFor(other)];
  await touch(second);
  await touch(first);
  await rig.deleteInstance(second);
  await rig.deleteInstance(first);
  await Promise.all([me.until('instance.deleted'), admin.until('instance.deleted', 2)]);
  expect(new Set(me.messages.flatMap(({ instance }) => instance?.instance_id ?? []))).toEqual(new Set([first]));
  const seen = admin.messages.flatMap(({ instance }) => instance?.instance_id ?? []);
  expect(seen.filter((id) => id === first || id === second)).toHaveLength(4);
});

test('a user who asks for all is refused', async () => {
  expect(await connect(await signToken({ userId: randomUUID() }), '?all=true').closing()).toBe(4003);
});

test('a client that comes back after a restart of the backend names what it saw, and gets the rest once', async () => {
  const userId = randomUUID();
  const token = await signToken({ userId });
  const id = await insertFor(userId);
  const before = connect(token);
  await before.until('ready');
  await touch(id);
  await before.until('instance.updated');
  const last = before.messages.findLast(({ type }) => type === 'instance.updated')?.event_id ?? '';
  await backend.stop();
  for (let count = 0; count < 3; count += 1) await touch(id);
  backend = await startUserBackend(rig);
  const after = connect(token, `?after=${last}`);
  await after.until('ready');
  await touch(id);
  await after.until('instance.updated', 4);
  const ids = after.messages.flatMap(({ event_id: eventId }) => eventId ?? []);
  const { rows } = await rig.pool.query<{ event_id: string }>(
    `select event_id from event_log where entity_id = $1 and sequence > 2 order by sequence`,
    [id],
  );
  expect(ids).toEqual(rows.map(({ event_id: eventId }) => eventId));
});

test('a connection is closed when its token expires', async () => {
  expect(await connect(await signToken({ userId: randomUUID(), expiresIn: '2 s' })).closing()).toBe(4001);
});
