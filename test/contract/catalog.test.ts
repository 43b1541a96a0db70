import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { toEventMessage, type OutgoingEvent } from '../../bridge/bus/outgoing-event.ts';
import { catalog } from '../../contracts/catalog.ts';
import { defineEvent } from '../../contracts/events/define-event.ts';
import { eventTypes, queueNames } from '../../contracts/names.ts';
import { consumersOf, eventTypesOf, topology, type ConsumerOf, type EventTypeOf } from '../../contracts/topology.ts';
import { firstVersion, UnknownVersion } from '../../contracts/versions.ts';

const id = randomUUID();
const metadata = {
  id,
  subject: id,
  time: '2025-01-01T12:00:00.000Z',
  sequence: 1,
  correlationId: id,
  traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
};

test('an event that is not in the catalog cannot be published', () => {
  // @ts-expect-error no such event
  const event: OutgoingEvent = { type: 'instance.paused', body: { instance_id: id }, metadata };
  expect(() => toEventMessage(event)).toThrow('instance.paused is not in the catalog: define it in contracts/ first');
});

test('an event with an undocumented body cannot be published', () => {
  const body = { agent_id: id, retired_at: 'yesterday' };
  expect(() => toEventMessage({ type: 'agent.retired', body, metadata })).toThrow(/retired_at/);
  // @ts-expect-error a mandatory field is missing
  expect(() => toEventMessage({ type: 'agent.retired', body: { agent_id: id }, metadata })).toThrow(/retired_at/);
});

test('a queue that is not in the catalog cannot be consumed', () => {
  const options = { name: 'test', amqpUrl: 'amqp://127.0.0.1:1', logger: pino({ enabled: false }), onFatal: () => {} };
  expect(() =>
    // @ts-expect-error no such queue
    startConsumer({ ...options, queue: 'agents_worker.paused', handle: async () => {} }),
  ).toThrow('agents_worker.paused is no queue of the catalog: define it in contracts/topology.ts first');
});

test('a consumer receives only the events of its queue', () => {
  const takes = (type: EventTypeOf<typeof queueNames.userBackendWsUpdates>): string => type;
  // @ts-expect-error the queue is not bound to it
  takes('instance.created');
  expect(eventTypesOf(queueNames.userBackendWsUpdates)).toEqual(['instance.updated', 'instance.deleted']);
  expect(eventTypesOf(queueNames.agentsWorkerAgent)).toEqual(eventTypes.filter((type) => type.startsWith('agent.')));
  expect(eventTypesOf(queueNames.adminBackendAudit)).toEqual(eventTypes);
});

test('every event documents what each service does that receives it through a binding', () => {
  // @ts-expect-error user_backend gets instance.created through no queue
  const consumer: ConsumerOf<'instance.created'> = 'user_backend';
  expect(consumersOf('instance.created')).not.toContain(consumer);
  for (const type of eventTypes) {
    expect(Object.keys(catalog[type].sideEffects).toSorted(), `of ${type}`).toEqual(consumersOf(type).toSorted());
    expect(catalog[type].type).toBe(type);
  }
  // @ts-expect-error the audit is missing
  defineEvent({ ...catalog['instance.deleted'], sideEffects: { agents_worker: 'cleans up', user_backend: 'pushes' } });
});

test('every routing key of a binding matches an event', () => {
  const bound = topology.queues.filter(({ exchange }) => exchange === 'events.topic');
  for (const { name, routingKeys } of bound) {
    for (const key of routingKeys) {
      const pattern = new RegExp(`^${key.replaceAll('.', String.raw`\.`).replace('*', String.raw`\w+`)}$`);
      expect(
        eventTypes.filter((type) => pattern.test(type)),
        `${name}: ${key}`,
      ).not.toEqual([]);
    }
  }
});

test('a body of any released version is read as the newest version', () => {
  const versions = firstVersion({ schema: z.object({ drain: z.boolean().optional() }), example: {} })
    .next({
      schema: z.object({ running: z.enum(['go_on', 'stop']) }),
      example: { running: 'stop' },
      upcast: ({ drain }) => ({ running: drain ? ('stop' as const) : ('go_on' as const) }),
    })
    .next({
      schema: z.object({ running: z.enum(['go_on', 'stop']), since: z.iso.datetime().nullable() }),
      example: { running: 'stop', since: null },
      upcast: (body) => ({ ...body, since: null }),
    });
  expect(versions.read(1, { drain: true, more: 1 })).toEqual({ running: 'stop', since: null });
  expect(versions.read(2, { running: 'go_on' })).toEqual({ running: 'go_on', since: null });
  expect(versions.read(3, { running: 'stop', since: null })).toEqual({ running: 'stop', since: null });
  expect(versions.kept.map(({ version }) => version)).toEqual([1, 2, 3]);
  expect(() => versions.read(1, { drain: 'yes' })).toThrow(z.ZodError);
  expect(() => versions.read(4, { running: 'stop' })).toThrow(UnknownVersion);
  expect(() => versions.read(4, {})).toThrow('schema_version 4 is unknown here, where 1, 2, 3 is read');
});
