import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import type { IncomingEvent } from '../../bridge/bus/incoming-event.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { catalog } from '../../contracts/catalog.ts';
import { eventTypes, queueNames, type EventType } from '../../contracts/names.ts';
import { deadLetterQueueOf, eventTypesOf, serviceOf, type DomainQueueName } from '../../contracts/topology.ts';
import {
  arbitraryEvent,
  bodyToHandle,
  exampleEvents,
  foreignEvent,
  sendForeign,
  type ForeignEvent,
} from '../support/foreign-events.ts';
import { useRig } from '../support/rig.ts';

const queues = Object.values(queueNames);
const examples = exampleEvents();
const kept = eventTypes.flatMap((type) => catalog[type].versions.kept.map(({ version }) => ({ type, version })));

const rig = useRig();
const consumers = new Map<DomainQueueName, { handled: IncomingEvent[]; consumer: Supervised }>();

beforeAll(async () => {
  await assertTopology(rig.bus.channel, 'event_broker');
  for (const queue of queues) {
    const handled: IncomingEvent[] = [];
    const consumer = startConsumer({
      name: queue,
      amqpUrl: rig.environmentOf(serviceOf(queue)).AMQP_URL,
      queue,
      logger: pino({ level: 'silent' }),
      onFatal: (error) => rig.fatal.push(error),
      handle: async (event) => void handled.push(event),
    });
    consumers.set(queue, { handled, consumer });
  }
  await vi.waitUntil(() => [...consumers.values()].every(({ consumer }) => consumer.health.ready));
});

afterAll(() => Promise.all([...consumers.values()].map(({ consumer }) => consumer.stop())));

const idOf = ({ headers }: ForeignEvent): string => String(headers['cloudEvents:id']);
const handledIn = (queue: DomainQueueName, event: ForeignEvent): IncomingEvent[] =>
  consumers.get(queue)?.handled.filter(({ metadata }) => metadata.id === idOf(event)) ?? [];
const queuesOf = (type: EventType): DomainQueueName[] =>
  queues.filter((queue) => eventTypesOf<DomainQueueName>(queue).includes(type));
const lettersIn = async (queue: DomainQueueName): Promise<number> =>
  (await rig.bus.channel.checkQueue(deadLetterQueueOf(queue))).messageCount;

const countLetters = async (): Promise<number> => {
  const counts = await Promise.all(queues.map(lettersIn));
  return counts.reduce((sum, count) => sum + count, 0);
};

/** By every queue that it reaches, once, with the body as it was sent. */
async function expectHandled(events: ForeignEvent[]): Promise<void> {
  await Promise.all(events.map((event) => sendForeign(rig.bus, event)));
  const isHandled = (event: ForeignEvent): boolean =>
    queuesOf(event.type).every((queue) => handledIn(queue, event).length > 0);
  const areSettled = async (): Promise<boolean> => events.every(isHandled) || (await countLetters()) > 0;
  await vi.waitUntil(areSettled, { timeout: 20_000, interval: 5 });
  expect(await takeLetters()).toEqual([]);
  for (const event of events) {
    const body = bodyToHandle(event);
    for (const queue of queuesOf(event.type)) {
      expect(handledIn(queue, event).map((handled) => [handled.type, handled.body])).toEqual([[event.type, body]]);
    }
  }
}

/** Why each dead letter was put aside. */
async function takeLetters(): Promise<unknown[]> {
  const taken = queues.map((queue) => rig.bus.channel.get(deadLetterQueueOf(queue), { noAck: true }));
  return (await Promise.all(taken)).flatMap((letter) =>
    letter ? [letter.properties.headers?.['dead_letter_reason']] : [],
  );
}

describe('every consumer handles, as it was sent,', () => {
  test('the example of every kept version of each event that reaches it', async () => {
    await expectHandled(examples);
    expect(await takeLetters()).toEqual([]);
  });

  test.each(kept)('whatever the published schema of $type, version $version, allows', async ({ type, version }) => {
    const someEvents = fc.array(arbitraryEvent(type, version), { minLength: 1, maxLength: 20 });
    let latest = Promise.resolve();
    await fc.assert(
      fc.asyncProperty(someEvents, (events) => (latest = expectHandled(events))),
      { numRuns: 6, interruptAfterTimeLimit: 10_000 },
    );
    // The time limit abandons a run, which goes on.
    await latest;
    expect(await takeLetters()).toEqual([]);
  });
});

const updated = (fields: object = {}, options: Parameters<typeof foreignEvent>[2] = {}): ForeignEvent =>
  foreignEvent(
    'instance.updated',
    { ...(catalog['instance.updated'].versions.newest.example as object), ...fields },
    options,
  );
const read = catalog['instance.updated'].versions.kept.map(({ version }) => version).join(', ');
const [created] = examples;
const times = ['2025-01-01T12:00:00+00:00', '2025-01-01T14:00:00+02:00', '2025-01-01T12:00:00', '2025-01-01T12:00:00z', '2025-01-01 12:00:00Z', '2025-02-30T12:00:00Z', '1735732800']; // prettier-ignore

test.each<[what: string, event: ForeignEvent | undefined, reason: string]>([
  [
    'an event that does not belong into the queue',
    created,
    'instance.created does not belong into user_backend.ws_updates, which is for instance.updated, instance.deleted',
  ],
  [
    'an unknown version',
    updated({}, { version: 99 }),
    `body of instance.updated: schema_version 99 is unknown here, where ${read} is read: deploy readers of a new version before its writers`,
  ],
  ...times.map((time): [string, ForeignEvent, string] => [
    `the time ${time} in the body`,
    updated({ updated_at: time }),
    'body of instance.updated: ✖ Must be a time in UTC, as 2025-01-01T12:00:00.000Z\n  → at updated_at',
  ]),
  ...times.map((time): [string, ForeignEvent, string] => [
    `the time ${time} in a header`,
    updated({}, { headers: { 'cloudEvents:time': time } }),
    'headers: ✖ Must be a time in UTC, as 2025-01-01T12:00:00.000Z\n  → at ["cloudEvents:time"]',
  ]),
  [
    'a number beyond 2^53',
    updated({}, { headers: { generation: 2 ** 53 } }),
    'headers: ✖ Too big: expected int to be <=9007199254740991\n  → at generation',
  ],
])('%s is dead-lettered once, with the reason, and its neighbours are handled', async (_, event, reason) => {
  if (!event) throw new Error('no example');
  const queue = queueNames.userBackendWsUpdates;
  const [before, after] = [updated(), updated()];
  for (const each of [before, event, after]) await sendForeign(rig.bus, each, queue);
  await vi.waitUntil(async () => handledIn(queue, after).length > 0 && (await lettersIn(queue)) > 0, { interval: 5 });
  const letter = await rig.bus.channel.get(deadLetterQueueOf(queue), { noAck: true });
  expect(letter && letter.properties).toMatchObject({
    messageId: idOf(event),
    headers: { ...event.headers, dead_letter_reason: reason },
  });
  expect(await takeLetters()).toEqual([]);
  expect([before, event, after].map((each) => handledIn(queue, each).length)).toEqual([1, 0, 1]);
});

test('agents_worker takes the example of every event into its workflows, and puts none aside', async () => {
  const own = [queueNames.agentsWorkerInstance, queueNames.agentsWorkerAgent, queueNames.agentsWorkerRollout];
  await Promise.all(own.map(async (queue) => consumers.get(queue)?.consumer.stop()));
  const worker = await rig.startAgentsWorker();
  await worker.ready();
  await Promise.all(examples.map((event) => sendForeign(rig.bus, event)));
  const depths = () => Promise.all(own.map(async (queue) => (await rig.bus.channel.checkQueue(queue)).messageCount));
  await vi.waitUntil(async () => String(await depths()) === '0,0,0', { interval: 20 });
  // A queue does not count what was delivered and is not yet settled: only the workflow shows that it was.
  const workflow = rig.workflow(String(created?.headers['cloudEvents:subject']));
  await vi.waitFor(() => workflow.describe(), { timeout: 30_000 });
  // No row is behind the example, so that its workflow ends by itself.
  await workflow.result();
  // What it could not finish it would give back.
  await worker.stop();
  expect(await depths()).toEqual([0, 0, 0]);
  expect(await takeLetters()).toEqual([]);
  expect(rig.fatal).toEqual([]);
});
