import { randomUUID } from 'node:crypto';
import type { Channel } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAmqp, type AmqpConnection } from '../../bridge/amqp.ts';
import { assertTopology } from '../../bridge/topology.ts';
import { accountNames, serviceNames, type AccountName } from '../../contracts/access.ts';
import { controlQueueName, queueNames } from '../../contracts/names.ts';
import { controlQueueOf, deadLetterQueueOf, queuesOf } from '../../contracts/topology.ts';
import { openRig, type Rig } from '../support/rig.ts';

const instanceId = randomUUID();
const controlQueue = controlQueueName(instanceId);
let rig: Rig;
const connections = new Map<AccountName, AmqpConnection>();

beforeAll(async () => {
  rig = await openRig();
  await assertTopology(rig.bus.channel, 'event_broker');
  const { name, arguments: given } = controlQueueOf({ instanceId, agentId: randomUUID() });
  await rig.bus.channel.assertQueue(name, { durable: true, arguments: given });
  for (const account of accountNames) {
    const amqpUrl =
      account === 'agents' ? rig.environmentOf('agents_worker').CONTROL_AMQP_URL : rig.environmentOf(account).AMQP_URL;
    connections.set(account, await openAmqp({ amqpUrl, connectionName: account }));
  }
});
afterAll(async () => {
  await Promise.all([...connections.values()].map((connection) => connection.close()));
  await rig.close();
});

/** Rejects with what RabbitMQ says against it: what it refuses, it answers by closing the channel. */
async function act(account: AccountName, work: (channel: Channel) => unknown): Promise<void> {
  const channel = await connections.get(account)?.openSeparateChannel();
  if (!channel) throw new Error(`no connection of ${account}`);
  await work(channel);
  await channel.checkExchange('events.topic');
  await channel.close();
}
const publish =
  (exchange: string, key = 'instance.created') =>
  (channel: Channel): unknown =>
    channel.publish(exchange, key, Buffer.from('{}'));
const except = (...allowed: AccountName[]): AccountName[] =>
  accountNames.filter((account) => !allowed.includes(account));
const refused = /ACCESS.REFUSED/;

describe.each([
  { exchange: 'events.topic', alone: ['event_broker'] },
  { exchange: 'agents.direct', alone: ['agents_worker'] },
  // Past every exchange, into any queue.
  { exchange: '', alone: ['admin_backend'] },
] as const)('to the exchange "$exchange"', ({ exchange, alone }) => {
  test.each(alone)('%s publishes', async (account) => {
    await expect(act(account, publish(exchange, 'nobody'))).resolves.toBeUndefined();
  });
  test.each(except(...alone))('%s does not', async (account) => {
    await expect(act(account, publish(exchange))).rejects.toThrow(refused);
  });
});

describe.each(serviceNames.filter((service) => queuesOf(service).length > 0))('the queues of %s', (owner) => {
  const queues = queuesOf(owner);
  const letters = queues.map(deadLetterQueueOf);

  // event_broker may read what it declares: RabbitMQ asks for that of a queue that has a dead-letter exchange.
  test.each(except(owner, 'event_broker'))('are not consumed by %s', async (account) => {
    for (const queue of queues) {
      await expect(act(account, (channel) => channel.consume(queue, () => undefined))).rejects.toThrow(refused);
    }
  });
  test.each(except(owner, 'event_broker'))('are neither declared, bound nor deleted by %s', async (account) => {
    for (const queue of [...queues, ...letters]) {
      for (const work of [
        (channel: Channel) => channel.assertQueue(queue, { durable: true }),
        (channel: Channel) => channel.bindQueue(queue, 'events.topic', '#'),
        (channel: Channel) => channel.deleteQueue(queue),
      ]) {
        await expect(act(account, work)).rejects.toThrow(refused);
      }
    }
  });
  test.each(except('admin_backend'))('have dead letters that %s cannot see', async (account) => {
    for (const queue of letters) {
      await expect(act(account, (channel) => channel.get(queue))).rejects.toThrow(refused);
    }
  });
  test('have dead letters that admin_backend reads, and sends again', async () => {
    for (const queue of queues) {
      await rig.bus.publish('', deadLetterQueueOf(queue), 'a letter');
      await act('admin_backend', async (channel) => {
        const letter = await channel.get(deadLetterQueueOf(queue));
        expect(letter && letter.content.toString()).toBe('a letter');
        channel.sendToQueue(queue, Buffer.from('a letter'));
        if (letter) channel.ack(letter);
      });
      const sent = await rig.bus.channel.get(queue, { noAck: true });
      expect(sent && sent.content.toString()).toBe('a letter');
    }
  });
});

test('no service makes or removes an exchange but event_broker', async () => {
  for (const account of except('event_broker')) {
    for (const exchange of ['events.topic', 'agents.direct', 'events.dead_letters', 'of-its-own']) {
      await expect(act(account, (channel) => channel.deleteExchange(exchange))).rejects.toThrow(refused);
      await expect(act(account, (channel) => channel.assertExchange(exchange, 'topic'))).rejects.toThrow(refused);
    }
  }
  await act('event_broker', (channel) => assertTopology(channel, 'event_broker'));
});

test.each(accountNames)('%s makes no queue of another name', async (account) => {
  for (const name of ['anything', `${queueNames.userBackendAgent}.more`, `${account}.replica`, '']) {
    await expect(act(account, (channel) => channel.assertQueue(name))).rejects.toThrow(refused);
  }
});

test('a replica of user_backend has a queue of its own, which no other service reads', async () => {
  const queue = `user_backend.replica.${randomUUID()}`;
  await act('user_backend', async (channel) => {
    await channel.assertQueue(queue, { exclusive: true, durable: false });
    await channel.bindQueue(queue, 'events.topic', 'instance.*');
    await channel.consume(queue, () => undefined);
  });
  for (const account of except('user_backend')) {
    await expect(act(account, (channel) => channel.consume(queue, () => undefined))).rejects.toThrow(refused);
  }
});

describe('a control queue', () => {
  test('is consumed by agents alone', async () => {
    await act('agents', (channel) => channel.consume(controlQueue, () => undefined));
    for (const account of except('agents')) {
      await expect(act(account, (channel) => channel.consume(controlQueue, () => undefined))).rejects.toThrow(refused);
    }
  });
  test('is removed by agents_worker alone', async () => {
    for (const account of except('agents_worker')) {
      await expect(act(account, (channel) => channel.deleteQueue(controlQueue))).rejects.toThrow(refused);
    }
    await act('agents_worker', (channel) => channel.deleteQueue(controlQueue));
  });
});
