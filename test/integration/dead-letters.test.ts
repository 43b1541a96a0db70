import { randomUUID } from 'node:crypto';
import { connect, type Channel, type GetMessage, type Options } from 'amqplib';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { createdMessage, type WireMessage } from '../support/events.ts';
import { useRig } from '../support/rig.ts';
import type { Service } from '../../workers/services/service.ts';

const rig = useRig();
let broker: Service;
let agentId: string;

beforeAll(async () => {
  broker = await rig.startEventBroker();
  const worker = await rig.startAgentsWorker();
  await Promise.all([broker.ready(), worker.ready()]);
  agentId = await rig.publishAgent();
});

const letters = 'agents_worker.instance.dead';
const sessions = (): number => rig.log.filter(({ msg }) => msg === 'agents_worker is ready').length;
const latestLog = (): string =>
  rig.log
    .slice(-10)
    .map((line) => JSON.stringify(line))
    .join('\n');
const take = (queue: string): Promise<GetMessage | false> => rig.bus.channel.get(queue, { noAck: true });

/** RabbitMQ closes the channel on which it is asked for a queue that is not there. */
async function onOwnChannel<T>(ask: (channel: Channel) => Promise<T>): Promise<T> {
  const own = await connect(rig.environment.AMQP_URL);
  own.on('error', () => undefined);
  try {
    const channel = await own.createChannel();
    channel.on('error', () => undefined);
    return await ask(channel);
  } finally {
    await own.close();
  }
}

/** Publishes it as a foreign client, with a good one behind it; waits until that was handled. Returns the dead letter. */
async function deadLetterOf(
  { content, headers }: { content: string; headers: Record<string, unknown> },
  { routingKey = 'instance.created', ...options }: Options.Publish & { routingKey?: string } = {},
): Promise<GetMessage> {
  const messageId = randomUUID();
  await rig.bus.publish('events.topic', routingKey, content, { messageId, headers, ...options });
  const next = await rig.insertInstance(agentId);
  await rig.bus.until(next, 'instance.updated', 'running');

  const letter = await vi.waitFor(async () => {
    const found = await take(letters);
    if (!found) throw new Error('no dead letter');
    return found;
  });
  expect(letter.properties.messageId).toBe(messageId);
  expect(letter.content.toString('utf8')).toBe(content);
  expect(await take(letters), 'a second dead letter').toBe(false);
  return letter;
}

const reasonOf = ({ properties }: GetMessage): string => String(properties.headers?.['dead_letter_reason']);

const message = createdMessage();
const body = JSON.parse(message.content) as Record<string, unknown>;
const withHeaders = (headers: object): WireMessage => ({ ...message, headers: { ...message.headers, ...headers } });
const { agent_id: _agent, ...bodyWithoutAgent } = body;
const { 'cloudEvents:id': _id, ...headersWithoutId } = message.headers;

describe('what is no event of the contract is dead-lettered once, and the message behind it is handled', () => {
  test.each<[string, WireMessage, RegExp]>([
    ['a body that is not JSON', { ...message, content: 'hello' }, /^body is not JSON: /],
    ['a body that is empty', { ...message, content: '' }, /^body is not JSON: /],
    ['an unknown type', withHeaders({ 'cloudEvents:type': 'instance.paused' }), /unknown event type: instance\.paused/],
    [
      'a missing field',
      { ...message, content: JSON.stringify(bodyWithoutAgent) },
      /^body of instance\.created: [^]*agent_id/,
    ],
    ['a missing header', { ...message, headers: headersWithoutId }, /^headers: [^]*cloudEvents:id/],
    ['no headers', { ...message, headers: {} }, /^headers: /],
    ['a header of the wrong type', withHeaders({ generation: 'one' }), /^headers: [^]*generation/],
    [
      'another instance in body and headers',
      withHeaders({ 'cloudEvents:subject': randomUUID() }),
      /cloudEvents:subject/,
    ],
    [
      'headers near the limit of the client',
      withHeaders({ schema_version: 2, note: 'x'.repeat(64_850) }),
      /schema_version 2 is unknown/,
    ],
    ...[1_732_566_847_441_123.25, 1e300].map((value): [string, WireMessage, RegExp] => [
      `a number of 64 bits, ${value}, which the client reads and cannot write`,
      withHeaders({ schema_version: 2, odd: { '!': 'double', value }, deep: { list: [{ '!': 'double', value }] } }),
      /schema_version 2 is unknown/,
    ]),
    [
      'a timestamp at the end of its range',
      withHeaders({ schema_version: 2, odd: { '!': 'timestamp', value: 2n ** 64n - 1n } }),
      /schema_version 2 is unknown/,
    ],
    [
      'characters of several bytes near the limit of the client',
      withHeaders({ schema_version: 2, note: 'ä'.repeat(32_000) }),
      /schema_version 2 is unknown/,
    ],
  ])('%s', async (_, broken, reason) => {
    const letter = await deadLetterOf(broken);
    expect(reasonOf(letter)).toMatch(reason);
    expect(letter.properties.headers).toMatchObject({
      dead_letter_exchange: 'events.topic',
      dead_letter_routing_key: 'instance.created',
    });
  });
});

test('properties that RabbitMQ acts upon do not act on the dead letter', async () => {
  const letter = await deadLetterOf(
    { ...message, content: 'hello' },
    { expiration: '60000', CC: ['user_backend.ws_updates', 'admin_backend.audit'] },
  );
  expect(letter.properties.expiration).toBeUndefined();
  expect(letter.properties.headers).not.toHaveProperty('CC');
  expect(await take('user_backend.ws_updates.dead')).toBe(false);
  expect(await take('admin_backend.audit.dead')).toBe(false);
});

test('a routing key that the catalog does not know ends in the dead-letter queue when the type is unknown, too', async () => {
  const letter = await deadLetterOf(withHeaders({ 'cloudEvents:type': 'instance.paused' }), {
    routingKey: 'instance.paused',
  });
  expect(letter.properties.headers).toMatchObject({ dead_letter_routing_key: 'instance.paused' });
});

test('many broken messages among good ones: each good one is handled, each broken one is put aside', async () => {
  const ids: string[] = [];
  for (let count = 0; count < 10; count += 1) {
    ids.push(await rig.insertInstance(agentId));
    await rig.bus.publish('events.topic', 'instance.updated', `broken ${count}`, { messageId: randomUUID() });
  }
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
  const found: string[] = [];
  await vi.waitFor(async () => {
    for (let letter = await take(letters); letter; letter = await take(letters)) found.push(String(letter.content));
    expect(found.length).toBeGreaterThanOrEqual(10);
  });
  expect(found.toSorted()).toEqual(Array.from({ length: 10 }, (_, count) => `broken ${count}`));
});

test.each([Number.NaN, Infinity, -Infinity])(
  'RabbitMQ refuses %s from whoever publishes it, so that no consumer ever gets it',
  async (value) => {
    const before = sessions();
    const publisher = await connect(rig.environment.AMQP_URL);
    const failure = new Promise<Error>((resolve) => publisher.once('error', resolve));
    const channel = await publisher.createChannel();
    channel.on('error', () => undefined);
    channel.publish('events.topic', 'instance.created', Buffer.from(message.content), {
      headers: { ...message.headers, schema_version: 2, odd: { '!': 'double', value } },
    });
    expect(String(await failure)).toMatch(/541 \(INTERNAL-ERROR\)/);
    await rig.bus.until(await rig.insertInstance(agentId), 'instance.updated', 'running');
    expect(await take(letters)).toBe(false);
    expect(sessions()).toBe(before);
  },
);

test('a queue that is deleted by hand while it is consumed is declared anew and consumed again', async () => {
  const before = sessions();
  await rig.bus.channel.deleteQueue('agents_worker.instance');
  // Asking for a queue that is not there would close the test's own channel: the log says when it is back.
  await vi.waitFor(() => expect(sessions(), `the log: ${latestLog()}`).toBe(before + 1), { timeout: 20_000 });
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  expect(rig.fatal).toEqual([]);
});

test('a letter that no queue takes stays a message, and is a letter once its queue is there again', async () => {
  // It would declare the queue again before the letter is written.
  await broker.stop();
  await rig.bus.channel.deleteQueue(letters);
  await rig.bus.publish('events.topic', 'instance.created', 'hello', { messageId: randomUUID() });
  const reason = `no queue takes the dead letters of agents_worker.instance`;
  const isRefused = (): boolean => rig.log.some(({ error }) => error?.includes(reason));
  await vi.waitFor(() => expect(isRefused(), `the log: ${latestLog()}`).toBe(true), { timeout: 20_000 });
  broker = await rig.startEventBroker();
  const letter = await vi.waitFor(
    () =>
      onOwnChannel(async (channel) => {
        const found = await channel.get(letters, { noAck: true });
        if (!found) throw new Error('no dead letter');
        return found;
      }),
    { timeout: 40_000, interval: 250 },
  );
  expect(letter.content.toString('utf8')).toBe('hello');
});
