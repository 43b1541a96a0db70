import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { startAdminBackend, useAdminBackend } from '../support/admin-backend.ts';
import { useRig } from '../support/rig.ts';

// event_broker declares the queues of all services.
const rig = useRig({ services: ['event_broker'] });
const admin = useAdminBackend(rig);
beforeAll(() => admin.ready());

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
  const agentId = await rig.publishAgent();
  await rig.pool.query('update agents set retired_at = now(), drain = true where id = $1', [agentId]);
  const event = await rig.bus.until(agentId, 'agent.retired');
  const letter = await letterIn(queue);
  const said = {
    id: expect.stringMatching(/^[\da-f]{16}$/),
    queue,
    origin_queue: 'admin_backend.audit',
    message_id: event.id,
    type: 'agent.retired',
    subject: agentId,
    sequence: 2,
    reason: expect.stringContaining('no_retirements'),
    time: event.headers['cloudEvents:time'],
    size_bytes: event.message.content.length,
  };
  expect(letter).toEqual(said);
  const { status, body: whole } = await admin.call(`/v1/dead-letters/${queue}/${letter.id}`);
  expect([status, whole]).toEqual([
    200,
    {
      ...said,
      headers: expect.objectContaining(event.headers),
      body: event.message.content.toString('utf8'),
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
  const event = await rig.bus.until(await rig.publishAgent(), 'agent.published');
  const { headers, messageId } = event.message.properties as { headers: object; messageId: string };
  await rig.bus.channel.purgeQueue('agents_worker.agent');
  await rig.bus.publish('events.dead_letters', 'agents_worker.agent', event.message.content.toString('utf8'), {
    headers,
    messageId,
  });
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
  expect(sent.content).toEqual(event.message.content);
  expect((await rig.bus.channel.checkQueue('agents_worker.instance')).messageCount).toBe(0);
});

/** Letters about a real event of an agent and of an instance, each with something that the log does not say. */
const forgeries: [string, (event: Forged) => Forged][] = [
  ['another id', (event) => withHeaders(event, { 'cloudEvents:id': randomUUID() })],
  ['no id', ({ headers: { 'cloudEvents:id': _id, ...headers }, ...event }) => ({ ...event, headers })],
  ['another subject', (event) => withHeaders(event, { 'cloudEvents:subject': randomUUID() })],
  ['a later version of the row', (event) => withHeaders(event, { 'cloudEvents:sequence': '0000000000000000999' })],
  ['another cause', (event) => withHeaders(event, { 'cloudEvents:causationid': randomUUID() })],
  ['another time', (event) => withHeaders(event, { 'cloudEvents:time': '2020-01-01T00:00:00.000Z' })],
  ['another user', (event) => withHeaders(event, { user_id: randomUUID() })],
  ['another wish', (event) => withHeaders(event, { desired_state: 'stopped' })],
  ['another source', (event) => withHeaders(event, { 'cloudEvents:source': '/somebody' })],
  ['another type', (event) => withHeaders(event, { 'cloudEvents:type': 'instance.deleted' })],
  ['an unknown version', (event) => withHeaders(event, { schema_version: 99 })],
  ['another field', (event) => ({ ...event, body: { ...event.body, config: { model: 'large' } } })],
  ['a field more', (event) => ({ ...event, body: { ...event.body, note: 'forged' } })],
  ['a field less', ({ body: { user_id: _user, ...body }, ...event }) => ({ ...event, body })],
  ['another message id', (event) => ({ ...event, messageId: randomUUID() })],
];
interface Forged {
  headers: Record<string, unknown>;
  body: Record<string, unknown>;
  messageId: string;
}
const withHeaders = (event: Forged, headers: object): Forged => ({
  ...event,
  headers: { ...event.headers, ...headers },
});

test('a letter that is not what the event log says is refused, whatever is forged, and stays', async () => {
  const queue = 'agents_worker.instance.dead';
  await rig.bus.channel.purgeQueue(queue);
  await rig.bus.channel.purgeQueue('agents_worker.instance');
  const instanceId = await rig.insertInstance(await rig.publishAgent());
  const { body, headers, id } = await rig.bus.until(instanceId, 'instance.created');
  // A quorum queue may get its copy later.
  await vi.waitUntil(async () => (await rig.bus.channel.purgeQueue('agents_worker.instance')).messageCount > 0);
  for (const [what, forge] of forgeries) {
    const forged = forge({ headers, body, messageId: id });
    const options = { headers: forged.headers, messageId: forged.messageId };
    await rig.bus.publish('events.dead_letters', 'agents_worker.instance', JSON.stringify(forged.body), options);
    const letter = await letterIn(queue);
    const answer = await send(queue, letter.id);
    expect({ what, ...answer }).toMatchObject({ what, status: 422, body: { code: 'not_in_event_log' } });
    expect(await letterIn(queue)).toMatchObject({ id: letter.id });
    await rig.bus.channel.purgeQueue(queue);
  }
  expect((await rig.bus.channel.checkQueue('agents_worker.instance')).messageCount).toBe(0);

  await rig.bus.publish('events.dead_letters', 'agents_worker.instance', JSON.stringify(body), {
    headers,
    messageId: id,
  });
  expect((await send(queue, (await letterIn(queue)).id)).status, 'the event itself').toBe(200);
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
