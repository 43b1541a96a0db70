import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startAdminBackend, type AdminBackend } from '../support/admin-backend.ts';
import { foreignEvent, sendForeign } from '../support/foreign-events.ts';
import { openRig, type Rig } from '../support/rig.ts';

let rig: Rig;
let admin: AdminBackend;

beforeAll(async () => {
  rig = await openRig();
  admin = await startAdminBackend(rig);
  await admin.ready();
});

afterAll(async () => {
  await admin.stop();
  await rig.close();
});

interface Letter {
  id: string;
  message_id: string;
}

const list = (query: string) =>
  admin.call<{ letters: Letter[]; not_looked_at: string[] }>(`/v1/dead-letters${query}`).then(({ body }) => body);

const send = (queue: string, id: string) =>
  admin.call<{ code?: string }>(`/v1/dead-letters/${queue}/${id}/send`, { method: 'POST' });

async function letterIn(queue: string): Promise<Letter> {
  const [letter, ...others] = await vi.waitFor(async () => {
    const { letters } = await list(`?queue=${queue}`);
    expect(letters.length).toBeGreaterThan(0);
    return letters;
  });
  expect(others).toEqual([]);
  return letter as Letter;
}

test('a letter is listed and looked at, is handled once the cause is mended and it is sent again, and is then gone', async () => {
  const queue = 'admin_backend.audit.dead';
  await rig.pool.query(`alter table audit_log add constraint no_retirements check (type <> 'agent.retired')`);
  const body = { agent_id: randomUUID(), retired_at: '2025-01-01T12:00:00.000Z', drain: true };
  const event = foreignEvent('agent.retired', body);
  await sendForeign(rig.bus, event, 'admin_backend.audit');
  const letter = await letterIn(queue);
  const said = {
    id: expect.stringMatching(/^[\da-f]{16}$/),
    queue,
    origin_queue: 'admin_backend.audit',
    message_id: event.headers['cloudEvents:id'],
    type: null,
    subject: body.agent_id,
    sequence: 1,
    reason: expect.stringContaining('no_retirements'),
    time: '2025-01-01T12:00:00.000Z',
    size_bytes: Buffer.byteLength(JSON.stringify(body)),
  };
  expect(letter).toEqual(said);
  const { status, body: whole } = await admin.call(`/v1/dead-letters/${queue}/${letter.id}`);
  expect([status, whole]).toEqual([
    200,
    {
      ...said,
      headers: expect.objectContaining(event.headers),
      body: JSON.stringify(body),
      body_encoding: 'utf-8',
      body_cut: false,
    },
  ]);

  expect((await send(queue, letter.id)).status).toBe(200);
  expect(await letterIn(queue), 'what is not mended dies again').toEqual(said);

  await rig.pool.query('alter table audit_log drop constraint no_retirements');
  expect(await send(queue, letter.id)).toMatchObject({ status: 200, body: { sent: true } });
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query('select type from audit_log where event_id = $1', [letter.message_id]);
    expect(rows).toEqual([{ type: 'agent.retired' }]);
  });
  expect(await send(queue, letter.id)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect((await admin.call(`/v1/dead-letters/${queue}/${letter.id}`)).status).toBe(404);
  expect(await list(`?queue=${queue}`)).toEqual({ letters: [], not_looked_at: [] });
});

test('a letter of another service goes back into its queue, and nowhere else', async () => {
  const queue = 'agents_worker.agent.dead';
  const instanceId = randomUUID();
  const bury = (key: string, content: string) =>
    rig.bus.publish('events.dead_letters', key, content, { messageId: key });
  await bury('agents_worker.agent', 'this is no event');
  await bury('agents_worker.instance', `{"instance_id": "${instanceId}"}`);
  const { id } = await letterIn(queue);
  expect((await list(`?instance_id=${instanceId}`)).letters).toMatchObject([{ queue: 'agents_worker.instance.dead' }]);
  expect((await list('')).letters).toHaveLength(2);
  expect((await list('?limit=1')).letters).toHaveLength(1);

  expect((await send('agents_worker.instance.dead', id)).status, 'it is in another queue').toBe(404);
  expect((await send(queue, id)).status).toBe(200);
  const sent = await vi.waitFor(async () => {
    const message = await rig.bus.channel.get('agents_worker.agent', { noAck: true });
    if (!message) throw new Error('it is not there');
    return message;
  });
  expect(sent.content.toString('utf8')).toBe('this is no event');
  expect((await rig.bus.channel.checkQueue('agents_worker.instance')).messageCount).toBe(0);
});

test('a queue that holds no dead letters is refused', async () => {
  expect((await admin.call('/v1/dead-letters?queue=agents_worker.agent')).status).toBe(400);
  expect((await send('agents_worker.agent', '0123456789abcdef')).status).toBe(400);
});

test('RabbitMQ that is away is a 503 with the time to wait, and the rest goes on', async () => {
  const away = await startAdminBackend(rig, { AMQP_URL: 'amqp://127.0.0.1:1' });
  const { status, headers, body } = await away.call('/v1/dead-letters');
  expect([status, headers.get('retry-after'), body]).toMatchObject([503, '5', { code: 'unavailable' }]);
  expect((await away.call('/v1/agents')).status).toBe(200);
  await away.stop();
});
