import type { Channel } from 'amqplib';
import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { CannotWork, FatalError } from '../../supervision/errors.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { access } from '../../contracts/access.ts';
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
  test.each(['agents_worker', 'user_backend', 'admin_backend', 'deployer'] as const)(
    '%s waits for the exchanges that it publishes to, which event_broker makes',
    async (service) => {
      await using host = await openVirtualHost();
      const written = topology.exchanges.filter(({ name }) => (access[service].write as string[]).includes(name));
      expect(written.length).toBeGreaterThan(0);
      for (const { name, type } of written) {
        const channel = await host.openChannel();
        const early: unknown = await assertTopology(channel, service).catch((error: unknown) => error);
        expect(early).toBeInstanceOf(CannotWork);
        expect((early as Error).message).toBe(
          `event_broker has not declared the exchange ${name} yet: start event_broker, if it does not run.`,
        );
        await host.channel.assertExchange(name, type, durable);
      }
      await assertTopology(host.channel, service);
    },
  );

  test('a consumer waits for its queue, which event_broker makes, and has lost no connection', async () => {
    const rig = await openRig();
    const { channel } = rig.bus;
    for (const { name, type } of topology.exchanges) await channel.assertExchange(name, type, durable);
    const log: { msg: string; error?: string }[] = [];
    const consumer = startConsumer({
      name: 'audit',
      amqpUrl: rig.environmentOf('admin_backend').AMQP_URL,
      queue: 'admin_backend.audit',
      logger: pino({}, { write: (line: string) => void log.push(JSON.parse(line) as (typeof log)[number]) }),
      onFatal: (error) => rig.fatal.push(error),
      handle: () => Promise.resolve(),
    });
    await vi.waitFor(() => expect(log).not.toEqual([]));
    expect(consumer.health.ready).toBe(false);
    expect(log[0]?.msg).toBe('audit cannot do its work; trying again');
    expect(log[0]?.error).toMatch(/no queue 'admin_backend\.audit'.*event_broker declares it: start event_broker/);
    await assertTopology(channel, 'event_broker');
    await vi.waitFor(() => expect(consumer.health.ready).toBe(true));
    expect(rig.fatal).toEqual([]);
    await consumer.stop();
    await rig.close();
  });

  test('the account of another service is fatal, with what to do', async () => {
    const rig = await openRig();
    await assertTopology(rig.bus.channel, 'event_broker');
    const { AMQP_URL: amqpUrl } = rig.environmentOf('user_backend');
    const amqp = await openAmqp({ amqpUrl, connectionName: 'test' });
    const channel = await amqp.openSeparateChannel();
    const error: unknown = await assertTopology(channel, 'admin_backend').catch(amqp.explain);
    expect(error).toBeInstanceOf(FatalError);
    expect((error as Error).message).toMatch(
      /the right to write to the account \w+_user_backend: .*exchange 'admin_backend\.dead_letters'.*AMQP_URL; npm run contracts:check -- --accounts/,
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
