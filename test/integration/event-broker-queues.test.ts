import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { beforeAll, expect, test, vi } from 'vitest';
import { startEventBroker as startBroker } from '../../bridge/event-broker/event-broker.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { one, useRig } from '../support/rig.ts';
import type { Service } from '../../workers/services/service.ts';

/** No consumer runs here: what is published stays in the queues to be counted. */
const rig = useRig();
let broker: Service;

beforeAll(async () => {
  broker = await rig.startEventBroker();
  await broker.ready();
});

const audit = 'admin_backend.audit';
const worker = 'agents_worker.instance';
const pushes = 'user_backend.ws_updates';

const countOf = async (queue: string): Promise<number> => (await rig.bus.channel.checkQueue(queue)).messageCount;

async function takeAll(queue: string): Promise<string[]> {
  const subjects: string[] = [];
  for (;;) {
    const message = await rig.bus.channel.get(queue, { noAck: true });
    if (!message) return subjects;
    subjects.push(String(message.properties.headers?.['cloudEvents:subject']));
  }
}

async function insertMany(count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push(await rig.insertInstance(randomUUID()));
  return ids;
}

/** An entry is marked once all of its queues have got their copies, some a moment later than others. */
const untilPublished = () =>
  vi.waitFor(async () => {
    const { rows } = await rig.pool.query(
      'select from event_log where published_at is null and rejected_reason is null',
    );
    expect(rows).toHaveLength(0);
  });

function brokerOptions() {
  const { databaseDirectUrl, amqpUrl } = readConfiguration(rig.environmentOf('event_broker'));
  return {
    databaseUrl: databaseDirectUrl,
    amqpUrl,
    logger: pino({ level: 'silent' }),
    onFatal: (error: Error) => rig.fatal.push(error),
  };
}

const isPublished = async (id: string): Promise<boolean> => {
  const { rows } = await rig.pool.query<{ published: boolean }>(
    'select published_at is not null as published from event_log where entity_id = $1 and sequence = 1',
    [id],
  );
  return one(rows).published;
};

test('every queue whose consumers come later has got its copies', async () => {
  const agentId = await rig.publishAgent();
  const id = await rig.insertInstance(agentId);
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
  await untilPublished();
  expect((await takeAll(audit)).slice(0, 3)).toEqual([agentId, id, id]);
  expect(await takeAll(worker)).toEqual([id, id]);
  expect(await takeAll(pushes)).toEqual([id]);
});

test('a full queue that drops its oldest does not stop the publisher', async () => {
  await rig.limitQueue(audit, { 'max-length': 5 });
  const ids = await insertMany(40);
  await rig.untilBusIsQuiet();
  await untilPublished();
  await rig.limitQueue(audit, null);
  const kept = await takeAll(audit);
  expect(kept).toHaveLength(5);
  expect(kept.slice(0, 4)).toEqual(ids.slice(-4));
  expect(await takeAll(worker)).toEqual(ids);
});

test('a full queue that refuses keeps the events in the log, and gets every one of them once there is room', async () => {
  await rig.limitQueue(worker, { 'max-length': 5 });
  // RabbitMQ takes what is on its way when it begins to refuse: the queue is full before the rest comes.
  const ids = await insertMany(10);
  await rig.untilBusIsQuiet();
  ids.push(...(await insertMany(30)));
  const waiting = async (): Promise<string[]> => {
    const published = await Promise.all(ids.map(isPublished));
    return ids.filter((_, index) => !published[index]);
  };
  const refusals = (): number =>
    rig.log.filter(({ msg }) => msg.includes('event_broker cannot do its work; trying again')).length;
  await vi.waitUntil(() => refusals() > 1, { timeout: 20_000 });
  expect((await waiting()).length).toBeGreaterThan(0);

  await rig.limitQueue(worker, null);
  await vi.waitFor(async () => expect(await waiting()).toEqual([]), { timeout: 30_000 });
  expect(new Set(await takeAll(worker))).toEqual(new Set(ids));
  expect(rig.fatal).toEqual([]);
});

test('a queue that was deleted by hand is made anew at the next connection; its copies of until then are lost', async () => {
  await broker.stop();
  const still = startBroker({ ...brokerOptions(), topologyMs: 60 * 60 * 1000 });
  await vi.waitUntil(() => still.health.ready);
  await rig.bus.channel.deleteQueue(pushes);
  const [lost] = await insertMany(1);
  const touch = (id: string | undefined, config: object) =>
    rig.pool.query('update instances set config = $2 where id = $1', [id, config]);
  await touch(lost, { a: 1 });
  await rig.untilBusIsQuiet();

  await still.stop();
  broker = await rig.startEventBroker();
  await broker.ready();
  expect(await countOf(pushes)).toBe(0);
  await touch(lost, { a: 2 });
  await untilPublished();
  expect(await takeAll(pushes)).toEqual([lost]);
});

test.each([1, 2, 3])(
  'what waits is published in batches of %i, although nothing wakes the publisher in between',
  async (size) => {
    await broker.stop();
    const ids = await insertMany(7);
    const slow = startBroker({ ...brokerOptions(), maxBatchEntries: size, pollMs: 60 * 60 * 1000 });
    try {
      for (const id of ids) await rig.bus.until(id, 'instance.created');
      expect(rig.fatal).toEqual([]);
    } finally {
      await slow.stop();
      broker = await rig.startEventBroker();
      await broker.ready();
    }
  },
);
