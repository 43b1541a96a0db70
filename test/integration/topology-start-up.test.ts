import type { Channel } from 'amqplib';
import { describe, expect, test } from 'vitest';
import { FatalError } from '../../bridge/supervise.ts';
import { assertTopology } from '../../bridge/topology.ts';
import { topology } from '../../contracts/topology.ts';
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
