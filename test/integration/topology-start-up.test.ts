import type { Channel } from 'amqplib';
import { describe, expect, test } from 'vitest';
import { openAmqp } from '../../bridge/amqp.ts';
import { FatalError } from '../../bridge/supervise.ts';
import { assertTopology } from '../../bridge/topology.ts';
import { topology } from '../../contracts/topology.ts';
import { openRig } from '../support/rig.ts';
import { openVirtualHost } from '../support/virtual-host.ts';

const durable = { durable: true };
/** The one that is declared first. */
const [queue] = topology.queues;
const queueName = String(queue?.name);
const checkCommand = 'or use another virtual host. Everything that differs: npm run contracts:check';

/** What start-up says of a virtual host in which that was declared before. */
async function refusal(declare: (channel: Channel) => PromiseLike<unknown>): Promise<string> {
  await using host = await openVirtualHost();
  await declare(host.channel);
  const error: unknown = await assertTopology(host.channel, 'event_broker').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FatalError);
  return (error as Error).message.replace(host.name, 'v');
}

describe.concurrent('at start-up', () => {
  test('a consumer waits for the exchanges, which event_broker makes', async () => {
    await using host = await openVirtualHost();
    const early: unknown = await assertTopology(host.channel, 'user_backend').catch((error: unknown) => error);
    expect(early).not.toBeInstanceOf(FatalError);
    expect((early as Error).message).toBe(
      'event_broker has not made the exchange events.topic yet: start it, if it does not run.',
    );
  });

  test('a consumer declares its own queues with their dead letters, and no others', async () => {
    await using host = await openVirtualHost();
    for (const { name, type } of topology.exchanges) await host.channel.assertExchange(name, type, durable);
    await assertTopology(host.channel, 'user_backend');
    const answer = await host.management('GET', `queues/${host.name}?columns=name`);
    const names = ((await answer.json()) as { name: string }[]).map(({ name }) => name).toSorted();
    expect(names).toEqual([
      'user_backend.agent',
      'user_backend.agent.dead',
      'user_backend.ws_updates',
      'user_backend.ws_updates.dead',
    ]);
  });

  test('the account of another service is fatal, with what to do', async () => {
    const rig = await openRig();
    await assertTopology(rig.bus.channel, 'event_broker');
    const { AMQP_URL: amqpUrl } = rig.environmentOf('user_backend');
    const amqp = await openAmqp({ amqpUrl, connectionName: 'test' });
    const channel = await amqp.openSeparateChannel();
    const error: unknown = await assertTopology(channel, 'admin_backend').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FatalError);
    expect((error as Error).message).toMatch(
      /declare the queue admin_backend\.audit\.dead as admin_backend does: .*AMQP_URL; npm run contracts:check -- --accounts/,
    );
    await amqp.close();
    await rig.close();
  });

  test.for([
    {
      what: 'an argument of a queue',
      declare: { 'x-delivery-limit': 50 },
      says: `x-delivery-limit '50', the catalog says '1000000'`,
    },
    {
      what: 'an argument that a queue lacks',
      declare: { 'x-dead-letter-strategy': 'at-least-once' },
      says: `x-dead-letter-strategy 'at-least-once', the catalog says none`,
    },
  ])('$what that differs is fatal, with both values and the way out', async ({ declare, says }) => {
    const message = await refusal((channel) =>
      channel.assertQueue(queueName, { ...durable, arguments: { ...queue?.arguments, ...declare } }),
    );
    expect(message).toBe(
      `RabbitMQ differs from the catalog: queue ${queueName} in the virtual host v has ${says}. ` +
        `Move its messages away and delete it, then start again; ${checkCommand}`,
    );
  });

  test('a queue that is not durable is fatal', async () => {
    const message = await refusal((channel) => channel.assertQueue(queueName, { durable: false }));
    expect(message).toMatch(
      /queue \S+ in the virtual host v has (durable 'false', .* 'true'|x-queue-type none, .* 'quorum')/,
    );
  });

  test.for([
    { what: 'type', type: 'fanout', options: durable, says: `type 'fanout', the catalog says 'topic'` },
    {
      what: 'durability',
      type: 'topic',
      options: { durable: false },
      says: `durable 'false', the catalog says 'true'`,
    },
  ])('an exchange of another $what is fatal', async ({ type, options, says }) => {
    const message = await refusal((channel) => channel.assertExchange('events.topic', type, options));
    expect(message).toBe(
      `RabbitMQ differs from the catalog: exchange events.topic in the virtual host v has ${says}. ` +
        `Delete it, then start again; ${checkCommand}`,
    );
  });
});
