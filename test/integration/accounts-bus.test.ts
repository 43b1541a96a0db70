import { randomUUID } from 'node:crypto';
import type { Channel, Options } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAmqp, type AmqpConnection } from '../../bridge/bus/connection.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { accountNames, serviceNames, type AccountName } from '../../contracts/access.ts';
import { controlQueueName, queueNames } from '../../contracts/names.ts';
import { controlQueueOf, deadLetterQueueOf, domainQueueNames, queuesOf, topology } from '../../contracts/topology.ts';
import { useRig } from '../support/rig.ts';

const instanceId = randomUUID();
const controlQueue = controlQueueName(instanceId);
const replicaQueue = `user_backend.replica.${randomUUID()}`;
const rig = useRig();
const connections = new Map<AccountName, AmqpConnection>();

beforeAll(async () => {
  await assertTopology(rig.bus.channel, 'event_broker');
  const { name, arguments: given } = controlQueueOf({ instanceId, agentId: randomUUID() });
  await rig.bus.channel.assertQueue(name, { durable: true, arguments: given });
  for (const account of accountNames) {
    const amqpUrl =
      account === 'agents' ? rig.environmentOf('agents_worker').CONTROL_AMQP_URL : rig.environmentOf(account).AMQP_URL;
    connections.set(account, await openAmqp({ amqpUrl, connectionName: account }));
  }
  // Exclusive, as a replica makes it: its connection keeps it.
  const channel = await connections.get('user_backend')?.openSeparateChannel();
  await channel?.assertQueue(replicaQueue, { exclusive: true, durable: false });
});
afterAll(() => Promise.all([...connections.values()].map((connection) => connection.close())));

/** Rejects with what RabbitMQ says against it: what it refuses, it answers by closing the channel. */
async function act(account: AccountName, work: (channel: Channel) => unknown): Promise<void> {
  const channel = await connections.get(account)?.openSeparateChannel();
  if (!channel) throw new Error(`no connection of ${account}`);
  await work(channel);
  // It needs no right, and is answered after all that went before.
  await channel.prefetch(0);
  await channel.close();
}
const publish =
  (exchange: string, key = 'instance.created', options: Options.Publish = {}) =>
  (channel: Channel): unknown =>
    channel.publish(exchange, key, Buffer.from('{}'), options);
const except = (...allowed: AccountName[]): AccountName[] =>
  accountNames.filter((account) => !allowed.includes(account));
const refused = /ACCESS.REFUSED/;

/** Every exchange of the catalog, the one of RabbitMQ that leads into every queue, and others that RabbitMQ has. */
const writers: Record<string, AccountName[]> = {
  'events.topic': ['event_broker'],
  'agents.direct': ['agents_worker'],
  // To declare a queue that names it takes the right.
  'events.dead_letters': ['event_broker'],
  'agents_worker.dead_letters': ['agents_worker'],
  'user_backend.dead_letters': ['user_backend'],
  'admin_backend.dead_letters': ['admin_backend'],
  'deployer.dead_letters': ['deployer'],
  'events.sent_again': ['admin_backend'],
  '': [],
  'amq.topic': [],
  'amq.direct': [],
  'amq.fanout': [],
};

test('the writers of every exchange of the catalog are known', () => {
  for (const { name } of topology.exchanges) expect(writers).toHaveProperty([name]);
});

describe.each(Object.entries(writers))('to the exchange "%s"', (exchange, allowed) => {
  test(`of all accounts, [${allowed.join()}] may publish`, async () => {
    for (const account of allowed) await act(account, publish(exchange, 'nobody'));
    for (const account of except(...allowed)) await expect(act(account, publish(exchange))).rejects.toThrow(refused);
  });
});

const queues = topology.queues.map(({ name }) => name);
const everyQueue = [...queues, controlQueue, replicaQueue];

/** Neither event_broker, which the queues get their content from, nor admin_backend, which sends letters again. */
const cannotForge = ['agents_worker', 'user_backend', 'deployer', 'agents'] as const;

test.each(cannotForge)('%s cannot put a message into a queue that another service trusts', async (account) => {
  const own: string[] = account === 'agents' ? [] : queuesOf(account).map(deadLetterQueueOf);
  const control = account === 'agents_worker' ? [controlQueue] : [];
  const others = everyQueue.filter((queue) => ![...own, ...control].includes(queue));
  const depths = async () =>
    Promise.all(
      others.filter((queue) => queue !== replicaQueue).map(async (queue) => rig.bus.channel.checkQueue(queue)),
    );
  const before = await depths();
  for (const exchange of Object.keys(writers)) {
    for (const queue of others) {
      // The key of a message may be several: https://www.rabbitmq.com/docs/sender-selected
      for (const headers of [{}, { CC: [queue] }, { BCC: [queue] }]) {
        await act(account, publish(exchange, queue, { headers })).catch(() => undefined);
        await act(account, publish(exchange, own[0] ?? 'instance.created', { headers })).catch(() => undefined);
      }
    }
  }
  expect((await depths()).map(({ messageCount }) => messageCount)).toEqual(
    before.map(({ messageCount }) => messageCount),
  );
});

test('a service publishes its own dead letters, each into its queue', async () => {
  for (const service of serviceNames) {
    for (const queue of queuesOf(service)) {
      await act(service, publish(`${service}.dead_letters`, queue));
      const letter = await rig.bus.channel.get(deadLetterQueueOf(queue), { noAck: true });
      expect(letter && letter.fields.exchange).toBe(`${service}.dead_letters`);
    }
  }
});

test('admin_backend sends letters again, each to the queue that it was in and to no other', async () => {
  for (const queue of domainQueueNames) {
    await rig.bus.channel.purgeQueue(deadLetterQueueOf(queue));
    await rig.bus.publish('', deadLetterQueueOf(queue), 'a letter');
    await act('admin_backend', async (channel) => {
      const letter = await channel.get(deadLetterQueueOf(queue));
      expect(letter && letter.content.toString()).toBe('a letter');
      channel.publish('events.sent_again', queue, Buffer.from('a letter'));
      if (letter) channel.ack(letter);
    });
    const sent = await rig.bus.channel.get(queue, { noAck: true });
    expect(sent && sent.content.toString()).toBe('a letter');
  }
  for (const queue of [controlQueue, replicaQueue, ...queues.filter((name) => name.endsWith('.dead'))]) {
    await act('admin_backend', publish('events.sent_again', queue));
    const sent = queue !== replicaQueue && (await rig.bus.channel.get(queue, { noAck: true }));
    expect(sent).toBe(false);
  }
});

/** Who may read each queue. event_broker has to be able to, where a queue that it declares has a dead-letter exchange. */
const readersOf = (queue: string): AccountName[] => {
  if (queue === controlQueue) return ['agents'];
  if (queue === replicaQueue) return ['user_backend'];
  if (queue.endsWith('.dead')) return ['admin_backend'];
  return ['event_broker', ...serviceNames.filter((service) => queuesOf(service).some((name) => name === queue))];
};
/** Who may declare, bind, unbind, delete. */
const makersOf = (queue: string): AccountName[] => {
  if (queue === controlQueue) return ['agents_worker'];
  return [queue === replicaQueue ? 'user_backend' : 'event_broker'];
};

test.each(everyQueue)(
  '%s is read by whom it is for alone, and made, bound and removed by its maker alone',
  async (queue) => {
    for (const account of except(...readersOf(queue))) {
      for (const work of [
        (channel: Channel) => channel.consume(queue, () => undefined),
        (channel: Channel) => channel.get(queue),
        (channel: Channel) => channel.purgeQueue(queue),
      ]) {
        await expect(act(account, work)).rejects.toThrow(refused);
      }
    }
    for (const account of except(...makersOf(queue))) {
      for (const work of [
        (channel: Channel) => channel.assertQueue(queue, { durable: true }),
        (channel: Channel) => channel.bindQueue(queue, 'events.topic', '#'),
        (channel: Channel) => channel.unbindQueue(queue, 'events.topic', '#'),
        (channel: Channel) => channel.deleteQueue(queue),
      ]) {
        await expect(act(account, work)).rejects.toThrow(refused);
      }
    }
  },
);

test('no service makes, feeds or removes an exchange but event_broker', async () => {
  for (const account of except('event_broker')) {
    for (const exchange of [...Object.keys(writers).filter(Boolean), 'of-its-own']) {
      const writes = writers[exchange]?.includes(account) === true;
      for (const work of [
        (channel: Channel) => channel.deleteExchange(exchange),
        (channel: Channel) => channel.assertExchange(exchange, 'topic'),
        (channel: Channel) => channel.bindExchange(writes ? 'amq.topic' : exchange, 'events.topic', '#'),
        (channel: Channel) => channel.bindExchange('amq.topic', exchange, '#'),
      ]) {
        await expect(act(account, work)).rejects.toThrow(refused);
      }
    }
  }
  await act('event_broker', (channel) => assertTopology(channel, 'event_broker'));
});

test.each(accountNames)('%s makes no queue of another name', async (account) => {
  for (const name of ['anything', `${queueNames.userBackendAgent}.more`, `${account}.replica`, '']) {
    await expect(act(account, (channel) => channel.assertQueue(name))).rejects.toThrow(refused);
  }
});

test('a queue that an account makes leads into no other by its own dead-letter exchange', async () => {
  for (const [account, name] of [
    ['user_backend', `user_backend.replica.${randomUUID()}`],
    ['agents_worker', controlQueueName(randomUUID())],
  ] as const) {
    for (const deadLetterExchange of ['', 'events.topic', 'events.dead_letters', 'events.sent_again', 'amq.direct']) {
      const options = { deadLetterExchange, deadLetterRoutingKey: 'admin_backend.audit' };
      await expect(act(account, (channel) => channel.assertQueue(name, options))).rejects.toThrow(refused);
    }
  }
});

test('a replica of user_backend has a queue of its own, which it binds and reads', async () => {
  const work = async (channel: Channel): Promise<void> => {
    await channel.bindQueue(replicaQueue, 'events.topic', 'instance.*');
    await channel.consume(replicaQueue, () => undefined);
  };
  await expect(act('user_backend', work)).resolves.toBeUndefined();
});

describe('a control queue', () => {
  test('is consumed by agents', async () => {
    const consume = (channel: Channel) => channel.consume(controlQueue, () => undefined);
    await expect(act('agents', consume)).resolves.toBeUndefined();
  });
  test('is bound and removed by agents_worker', async () => {
    const work = async (channel: Channel): Promise<void> => {
      await channel.bindQueue(controlQueue, 'agents.direct', instanceId);
      await channel.deleteQueue(controlQueue);
    };
    await expect(act('agents_worker', work)).resolves.toBeUndefined();
  });
});
