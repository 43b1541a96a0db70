import { randomUUID } from 'node:crypto';
import type { Channel, GetMessage, Options } from 'amqplib';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { inspectDeadLetter, maxBodyBytes, type InspectedLetter } from '../../bridge/dead-letters/inspect-letter.ts';
import { listDeadLetters } from '../../bridge/dead-letters/list-letters.ts';
import { sendAgain, sendAllAgain } from '../../bridge/dead-letters/send-again.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { exchangeNames } from '../../contracts/names.ts';
import { openVirtualHost } from '../support/virtual-host.ts';

const origin = 'agents_worker.instance';
const queue = 'agents_worker.instance.dead';
/** What a letter says is not the question here. */
const check = () => Promise.resolve();

/** The catalog on a virtual host of its own, and an account with no more rights than sending letters again needs. */
async function openPost({ write = '^events\\.sent_again$' } = {}) {
  const host = await openVirtualHost();
  onTestFinished(() => host[Symbol.asyncDispose]());
  const user = `clerk_${randomUUID()}`;
  await host.management('PUT', `users/${user}`, { password: user, tags: '' });
  onTestFinished(() => host.management('DELETE', `users/${user}`).then(() => undefined));
  const rights = { configure: '^$', read: '\\.dead$', write };
  await host.management('PUT', `permissions/${host.name}/${user}`, rights);
  const url = new URL(host.amqpUrl);
  url.username = user;
  url.password = user;

  const amqp = await openAmqp({ amqpUrl: host.amqpUrl, connectionName: host.name });
  onTestFinished(() => amqp.close());
  const channel = await amqp.openChannel();
  await assertTopology(channel, 'event_broker');
  /** Puts a letter in, as a consumer does. */
  const bury = async (content: string | Buffer, options: Options.Publish = {}): Promise<void> => {
    const headers = { ...options.headers, dead_letter_reason: 'not understood', dead_letter_routing_key: 'instance.updated' }; // prettier-ignore
    channel.publish(exchangeNames.deadLetters, origin, Buffer.from(content), { ...options, headers });
    await channel.waitForConfirms();
  };
  return { host, amqpUrl: url.href, channel, bury };
}

async function takeAll(channel: Channel, from: string): Promise<GetMessage[]> {
  const taken: GetMessage[] = [];
  for (let message = await channel.get(from, { noAck: true }); message; message = await channel.get(from, { noAck: true })) taken.push(message); // prettier-ignore
  return taken;
}

/** Without what a quorum queue adds as it delivers. */
function headersOf(message: GetMessage | undefined): object {
  const { 'x-delivery-count': _count, ...headers } = message?.properties.headers ?? {};
  return headers;
}

const contentsOf = (messages: GetMessage[]): string[] => messages.map(({ content }) => content.toString('utf8'));

test('only the chosen letter is sent, as it was before it died; the others keep their order', async () => {
  const { amqpUrl, channel, bury } = await openPost();
  const properties = {
    messageId: randomUUID(),
    type: 'instance.updated',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    correlationId: randomUUID(),
    timestamp: 1_735_689_600,
    appId: 'event_broker',
  };
  const headers = { 'cloudEvents:subject': randomUUID(), 'cloudEvents:sequence': 7, schema_version: 1 };
  await bury('first');
  await bury('second', { ...properties, headers });
  await bury('third');
  const { letters, notes } = await listDeadLetters({ amqpUrl, limit: 10 });
  expect(notes).toEqual([]);
  expect(letters).toMatchObject([
    { queue, originQueue: origin, messageId: undefined, reason: 'not understood', sizeBytes: 5 },
    { messageId: properties.messageId, type: properties.type, subject: headers['cloudEvents:subject'], sequence: 7 },
    { sizeBytes: 5 },
  ]);
  const [, { letterId } = { letterId: '' }] = letters;

  expect(await sendAgain({ amqpUrl, check, letterId })).toBe('sent');
  expect(await sendAgain({ amqpUrl, check, letterId })).toBe('not found');
  const [sent, ...more] = await takeAll(channel, origin);
  expect(more).toEqual([]);
  expect(sent?.content.toString('utf8')).toBe('second');
  expect(sent?.properties).toMatchObject({ ...properties, deliveryMode: 2 });
  expect(headersOf(sent)).toEqual(headers);
  expect(contentsOf(await takeAll(channel, queue))).toEqual(['first', 'third']);
});

test('letters that RabbitMQ gave up are sent without what it wrote into them, and without what it would act upon', async () => {
  const { amqpUrl, channel } = await openPost();
  const properties = { messageId: 'one', expiration: '3600000', headers: { BCC: [queue], note: 'mine' } };
  channel.publish('', origin, Buffer.from('hello'), properties);
  await channel.waitForConfirms();
  await takeAll(channel, queue);
  const message = await channel.get(origin);
  if (message) channel.nack(message, false, false);
  const letter = await vi.waitFor(async () => {
    const { letters } = await listDeadLetters({ amqpUrl, queue, limit: 10 });
    expect(letters).toHaveLength(1);
    return letters[0];
  });
  expect(letter).toMatchObject({ messageId: 'one', reason: 'RabbitMQ gave it up: rejected' });
  expect(letter?.time?.getTime()).toBeGreaterThan(Date.now() - 60_000);

  expect(await sendAllAgain({ amqpUrl, check })).toBe(1);
  const [sent] = await takeAll(channel, origin);
  expect(headersOf(sent)).toEqual({ note: 'mine' });
  expect(sent?.properties.expiration).toBeUndefined();
  expect(await takeAll(channel, queue)).toEqual([]);
});

test('a letter that dies again has the same id, others have others', async () => {
  const { amqpUrl, channel, bury } = await openPost();
  await bury('same', { headers: { a: 1, b: { c: 2 } } });
  const idsNow = async () => (await listDeadLetters({ amqpUrl, limit: 10 })).letters.map(({ letterId }) => letterId);
  const before = await idsNow();
  expect(await sendAllAgain({ amqpUrl, check })).toBe(1);
  const [again] = await takeAll(channel, origin);
  await bury(again?.content ?? '', { headers: again?.properties.headers });
  expect(await idsNow()).toEqual(before);
  await bury('same', { headers: { a: 1, b: { c: 3 } } });
  await bury('other', { headers: { a: 1, b: { c: 2 } } });
  expect(new Set(await idsNow()).size).toBe(3);
});

test('a letter is shown whole, up to a limit, and stays where it is', async () => {
  const { amqpUrl, channel, bury } = await openPost();
  const bodies = ['{"ü": 1}', Buffer.from([0xff, 0x00]), `x${'ü'.repeat(maxBodyBytes)}`];
  for (const body of bodies) await bury(body, { headers: { note: 'mine' } });
  const { letters } = await listDeadLetters({ amqpUrl, limit: 10 });
  const shown: (InspectedLetter | undefined)[] = [];
  for (const { letterId } of letters) shown.push(await inspectDeadLetter({ amqpUrl, queue, letterId }));
  expect(shown[0]).toMatchObject({
    headers: { note: 'mine', dead_letter_reason: 'not understood' },
    body: { content: '{"ü": 1}', encoding: 'utf-8', cut: false },
  });
  expect(shown[1]?.body).toEqual({ content: '/wA=', encoding: 'base64', cut: false });
  expect(shown[2]?.body).toMatchObject({ encoding: 'utf-8', cut: true });
  expect(shown[2]?.body.content).toMatch(/^xü+$/);
  expect(await takeAll(channel, queue)).toHaveLength(3);
});

test('what is beyond the limit is counted and left alone', async () => {
  const { amqpUrl, bury } = await openPost();
  for (const content of ['1', '2', '3']) await bury(content);
  expect(await listDeadLetters({ amqpUrl, limit: 2 })).toMatchObject({
    letters: [{ sizeBytes: 1 }, { sizeBytes: 1 }],
    notes: [`1 of the 3 messages in ${queue}`],
  });
  expect(await listDeadLetters({ amqpUrl, limit: 3 })).toMatchObject({ letters: [{}, {}, {}], notes: [] });
});

test('of very many letters, a list counts those that it did not look at; by instance, it looks at all', async () => {
  const { amqpUrl, channel, bury } = await openPost();
  const count = 2_200;
  const instanceId = randomUUID();
  const other = 'admin_backend.audit';
  for (let index = 0; index < count; index += 1) {
    const headers = index === count - 10 ? { 'cloudEvents:subject': instanceId } : {};
    channel.publish(exchangeNames.deadLetters, origin, Buffer.from(String(index)), { headers });
  }
  channel.publish(exchangeNames.deadLetters, other, Buffer.from(instanceId));
  // This one names the instance in its content alone.
  await bury(instanceId);

  const first = await listDeadLetters({ amqpUrl, limit: 20 });
  expect(first.letters).toHaveLength(20);
  const notListed = [`${count - 19} of the ${count + 1} messages in ${queue}`, `1 of the 1 messages in ${other}.dead`];
  expect(first.notes).toEqual(notListed);

  const found = await listDeadLetters({ amqpUrl, instanceId, limit: 10 });
  expect(found).toMatchObject({
    letters: [{ queue, subject: instanceId }, { queue, sizeBytes: 36 }, { queue: `${other}.dead` }],
    notes: [],
  });
  // All have come back by now: if these alone were taken again, they would then be behind the others.
  expect(await listDeadLetters({ amqpUrl, limit: 20 })).toEqual(first);

  const { letterId = '' } = found.letters[1] ?? {};
  expect(await sendAgain({ amqpUrl, check, queue, letterId })).toBe('sent');
  expect(contentsOf(await takeAll(channel, origin))).toEqual([instanceId]);
  const left = contentsOf(await takeAll(channel, queue));
  expect(left).toEqual(Array.from({ length: count }, (_, index) => String(index)));
});

test('however often they are looked at, and some of them sent, many letters keep their order', async () => {
  const { amqpUrl, channel, bury } = await openPost();
  const contents = Array.from({ length: 100 }, (_, index) => String(index));
  for (const content of contents) await bury(content);
  const { letters } = await listDeadLetters({ amqpUrl, limit: 100 });
  const gone = [1, 50];
  for (const index of gone) {
    expect(await sendAgain({ amqpUrl, check, letterId: letters[index]?.letterId ?? '' })).toBe('sent');
    expect((await listDeadLetters({ amqpUrl, limit: 2 })).letters).toHaveLength(2);
  }
  expect(contentsOf(await takeAll(channel, queue))).toEqual(contents.filter((_, index) => !gone.includes(index)));
});

test('all letters are sent in their order', async () => {
  const { amqpUrl, channel, bury } = await openPost();
  const contents = Array.from({ length: 50 }, (_, index) => String(index));
  for (const content of contents) await bury(content);
  const sent: number[] = [];
  expect(await sendAllAgain({ amqpUrl, check, onSent: ({ sizeBytes }) => sent.push(sizeBytes) })).toBe(50);
  expect(sent).toEqual(contents.map(({ length }) => length));
  expect(contentsOf(await takeAll(channel, origin))).toEqual(contents);
  expect(await takeAll(channel, queue)).toEqual([]);
});

test('queues that do not exist hold no letters', async () => {
  await using host = await openVirtualHost();
  const { amqpUrl } = host;
  expect(await listDeadLetters({ amqpUrl, limit: 10 })).toEqual({ letters: [], notes: [] });
  expect(await sendAgain({ amqpUrl, check, letterId: '0123456789abcdef' })).toBe('not found');
});

test('a letter that RabbitMQ does not take stays in its place, with a reason', async () => {
  const { amqpUrl, channel, bury, host } = await openPost();
  for (const content of ['1', '2', '3']) await bury(content);
  const { letters } = await listDeadLetters({ amqpUrl, limit: 10 });
  const letterId = letters[1]?.letterId ?? '';

  const policy = `policies/${host.name}/full`;
  const definition = { 'max-length': 1 };
  await host.management('PUT', policy, { pattern: '^agents_worker\\.instance$', definition, 'apply-to': 'queues' });
  await vi.waitFor(async () => {
    channel.publish('', origin, Buffer.from('filling'));
    await expect(channel.waitForConfirms()).rejects.toThrow('message nacked');
  });
  await expect(sendAgain({ amqpUrl, check, letterId })).rejects.toThrow(
    /does not take a letter into agents_worker\.instance: /,
  );
  await channel.deleteQueue(origin);
  await expect(sendAllAgain({ amqpUrl, check })).rejects.toThrow(
    /^There is no queue agents_worker\.instance: start event_broker/,
  );
  await vi.waitFor(async () => expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 3 }));
  expect(contentsOf(await takeAll(channel, queue))).toEqual(['1', '2', '3']);
});

test('an account that may not write is told so, and takes nothing away', async () => {
  const { amqpUrl, channel, bury } = await openPost({ write: '^$' });
  await bury('mine');
  await expect(sendAllAgain({ amqpUrl, check })).rejects.toThrow(/ACCESS_REFUSED/);
  await vi.waitFor(async () => expect(contentsOf(await takeAll(channel, queue))).toEqual(['mine']));
});
