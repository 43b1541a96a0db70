import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { toEventMessage, type OutgoingEvent } from '../../bridge/bus/outgoing-event.ts';
import { createPublisher, type Publish } from '../../bridge/event-broker/publisher.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { catalog, type Catalog } from '../../contracts/catalog.ts';
import { id, timestamp } from '../../contracts/fields.ts';
import { queueNames, type EventType } from '../../contracts/names.ts';
import { deadLetterQueueOf, serviceOf, type DomainQueueName } from '../../contracts/topology.ts';
import { firstVersion } from '../../contracts/versions.ts';
import { useRig } from '../support/rig.ts';

const agentRetired = catalog['agent.retired'];
const fields = { agent_id: id('The agent.'), retired_at: timestamp('Since when.') };
const { agent_id, retired_at } = agentRetired.versions.newest.example as Record<string, string>;
const example = { agent_id: String(agent_id), retired_at: String(retired_at) };

/** The next release: what `drain` said by being there must now be said in words. */
const breaking: Catalog = {
  ...catalog,
  'agent.retired': {
    ...agentRetired,
    versions: agentRetired.versions.next({
      schema: z.object({ ...fields, instances: z.enum(['go_on', 'stop']) }),
      example: { ...example, instances: 'stop' },
      upcast: ({ drain, ...body }) => ({ ...body, instances: drain ? ('stop' as const) : ('go_on' as const) }),
    }),
  },
};

/** A release that adds an optional field to the same version. */
const compatible: Catalog = {
  ...catalog,
  'agent.retired': {
    ...agentRetired,
    versions: firstVersion({
      schema: z.object({ ...fields, drain: z.boolean().optional(), successor: id('The agent to use.').optional() }),
      example: { ...example, successor: example.agent_id },
    }),
  },
};

// Each reads a copy of its own, as services of different releases do.
const [one, other] = [queueNames.userBackendAgent, queueNames.adminBackendAudit];
type Handled = { type: EventType; body: unknown; id: string }[];

const rig = useRig();
let publish: Publish;
const running = new Set<Supervised>();

beforeAll(async () => {
  await assertTopology(rig.bus.channel, 'event_broker');
  publish = createPublisher({ channel: rig.bus.channel });
});
afterEach(async () => {
  await Promise.all([...running].map((consumer) => consumer.stop()));
  running.clear();
});

/** The consumer of one release. */
async function consume(queue: DomainQueueName, events: Catalog): Promise<{ handled: Handled; consumer: Supervised }> {
  const handled: Handled = [];
  const consumer = startConsumer({
    name: queue,
    amqpUrl: rig.environmentOf(serviceOf(queue)).AMQP_URL,
    queue,
    events,
    logger: pino({ level: 'silent' }),
    onFatal: (error) => rig.fatal.push(error),
    handle: async ({ type, body, metadata }) => void handled.push({ type, body, id: metadata.id }),
  });
  running.add(consumer);
  await vi.waitUntil(() => consumer.health.ready, { timeout: 20_000, interval: 5 });
  return { handled, consumer };
}

/** The publisher of one release. @returns the event's id */
async function send(events: Catalog, type: 'agent.retired' | 'agent.published', fieldsOfBody: object): Promise<string> {
  const eventId = randomUUID();
  const metadata = {
    id: eventId,
    subject: example.agent_id,
    time: '2025-01-01T12:00:00.000Z',
    sequence: 1,
    correlationId: eventId,
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  };
  const body = { agent_id: example.agent_id, ...fieldsOfBody };
  await publish(toEventMessage({ type, body, metadata } as OutgoingEvent, events));
  return eventId;
}
const sendRetired = (events: Catalog, more: object) =>
  send(events, 'agent.retired', { retired_at: example.retired_at, ...more });

async function bodyOf(handled: Handled, eventId: string): Promise<unknown> {
  const found = () => handled.filter((event) => event.id === eventId);
  await vi.waitUntil(() => found().length > 0, { timeout: 20_000, interval: 5 });
  expect(found()).toHaveLength(1);
  return found()[0]?.body;
}
const noLetter = async (queue: DomainQueueName) =>
  expect(await rig.bus.channel.get(deadLetterQueueOf(queue), { noAck: true })).toBe(false);

describe('consumers of two releases beside each other, after a compatible change,', () => {
  test.each([
    ['this release', catalog, { drain: true }, {}],
    ['the next release', compatible, { drain: true, successor: example.agent_id }, { successor: example.agent_id }],
  ])('read what a publisher of %s writes', async (_, publisher, body, ofNext) => {
    const [old, next] = await Promise.all([consume(one, catalog), consume(other, compatible)]);
    const eventId = await sendRetired(publisher, body);
    expect(await bodyOf(old.handled, eventId)).toEqual({ ...example, drain: true });
    expect(await bodyOf(next.handled, eventId)).toEqual({ ...example, drain: true, ...ofNext });
    await Promise.all([one, other].map(noLetter));
  });
});

describe('after a breaking change', () => {
  test.each([
    [{ drain: true }, 'stop'],
    [{ drain: false }, 'go_on'],
    [{}, 'go_on'],
  ])('a new consumer reads in its own form what an old publisher writes: %j', async (body, instances) => {
    const [old, next] = await Promise.all([consume(one, catalog), consume(other, breaking)]);
    const eventId = await sendRetired(catalog, body);
    expect(await bodyOf(old.handled, eventId)).toEqual({ ...example, ...body });
    expect(await bodyOf(next.handled, eventId)).toEqual({ ...example, instances });
    await Promise.all([one, other].map(noLetter));
  });

  test('an old consumer puts aside what a new publisher writes, once, and reads it when it was replaced', async () => {
    const [old, next] = await Promise.all([consume(one, catalog), consume(other, breaking)]);
    const published = { name: 'echo', version: '1', capabilities: [] };
    const before = await sendRetired(catalog, {});
    const broken = await sendRetired(breaking, { instances: 'stop' });
    const after = await send(breaking, 'agent.published', published);

    expect(await bodyOf(next.handled, broken)).toEqual({ ...example, instances: 'stop' });
    expect(await bodyOf(old.handled, before)).toEqual(example);
    expect(await bodyOf(old.handled, after)).toEqual({ agent_id: example.agent_id, ...published });
    const letters = deadLetterQueueOf(one);
    await vi.waitUntil(async () => (await rig.bus.channel.checkQueue(letters)).messageCount > 0, { interval: 5 });
    const letter = await rig.bus.channel.get(letters, { noAck: true });
    if (!letter) throw new Error('no dead letter');
    expect(letter.properties).toMatchObject({
      messageId: broken,
      headers: {
        schema_version: 2,
        dead_letter_reason:
          'body of agent.retired: schema_version 2 is unknown here, where 1 is read: ' +
          'deploy readers of a new version before its writers',
      },
    });
    await Promise.all([one, other].map(noLetter));

    await old.consumer.stop();
    const replaced = await consume(one, breaking);
    await rig.bus.publish('', one, letter.content.toString('utf8'), letter.properties);
    expect(await bodyOf(replaced.handled, broken)).toEqual({ ...example, instances: 'stop' });
    expect(old.handled.map((event) => event.id)).toEqual([before, after]);
    await noLetter(one);
  });

  test('a publisher refuses a body of the version before', async () => {
    await expect(sendRetired(breaking, { drain: true })).rejects.toThrow(/instances/);
  });
});
