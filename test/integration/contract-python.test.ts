import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import type { IncomingEvent } from '../../bridge/bus/incoming-event.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { catalog } from '../../contracts/catalog.ts';
import { eventTypes, queueNames } from '../../contracts/names.ts';
import {
  bodyToHandle,
  exampleEvents,
  foreignEvent,
  sendForeign,
  type ForeignEvent,
} from '../support/foreign-events.ts';
import { schemaFolder } from '../support/published-schemas.ts';
import { preparePython, startBusClient, type BusClient } from '../support/python.ts';
import { useRig } from '../support/rig.ts';

interface Report {
  ready?: true;
  id: string;
  type: string;
  version: number;
  problems: string[];
}

const found = await preparePython();
const rig = useRig();
let consumer: Supervised;
let watcher: BusClient<Report>;
const handled: IncomingEvent[] = [];

beforeAll(async () => {
  if ('missing' in found) return;
  const amqpUrl = rig.environment.AMQP_URL;
  const broker = await rig.startEventBroker();
  consumer = startConsumer({
    name: 'audit',
    amqpUrl: rig.environmentOf('admin_backend').AMQP_URL,
    queue: queueNames.adminBackendAudit,
    logger: pino({ level: 'silent' }),
    onFatal: (error) => rig.fatal.push(error),
    handle: async (event) => void handled.push(event),
  });
  watcher = startBusClient({ ...found, command: 'watch', amqpUrl, schemas: schemaFolder });
  await broker.ready();
  await vi.waitUntil(() => watcher.lines.length > 0 && consumer.health.ready, { timeout: 20_000, interval: 10 });
});
beforeEach(({ skip }) => {
  if ('missing' in found) skip(found.missing);
});
afterAll(async () => {
  await watcher?.end();
  await consumer?.stop();
});

/** What Python saw of these events. */
async function reportsOf(ids: string[]): Promise<Report[]> {
  const reports = () => watcher.lines.filter(({ id }) => ids.includes(id));
  await vi.waitUntil(() => reports().length >= ids.length, { timeout: 20_000, interval: 5 });
  return reports();
}

test('every event that event_broker publishes is valid to a client in Python that reads the schemas alone', async () => {
  const agentId = await rig.publishAgent();
  const id = await rig.insertInstance(agentId, { '🤖': [1e308, 'שלום\u2028'], ['__proto__']: {} });
  await rig.pool.query(`update instances set metadata = '{"a": 5e-324}' where id = $1`, [id]);
  await rig.deleteInstance(id);
  const begin = `insert into rollouts (agent_id, version, strategy) values ($1, '1', '{"🤖": []}')`;
  await rig.pool.query(begin, [agentId]);
  await rig.pool.query('select complete_rollout(id) from rollouts where agent_id = $1', [agentId]);
  await rig.pool.query(begin, [agentId]);
  for (const status of ['progressing', 'rolled_back']) {
    await rig.pool.query('select record_rollout(id, $2, $3, false) from rollouts where agent_id = $1', [
      agentId,
      status,
      { code: 'canary_failed', message: 'שלום\u2028' },
    ]);
  }
  await rig.pool.query(`select announce_build('python', '1', 60)`);
  for (const end of ['promoted', 'rolled_back']) {
    await rig.pool.query(
      `with requested as (
         insert into deployments (deployment_name, build_id, strategy) values ('python', '1', '{"🤖": []}') returning id)
       select record_deployment(id, 'checking', '{"gate": {"replayed": 1, "failed": 0, "problems": ["שלום"], "examples": []}}')
       from requested`,
    );
    await rig.pool.query('select record_deployment(id, $1, $2) from deployments where ended_at is null', [
      end,
      { reason: { code: 'task_failures', message: 'שלום\u2028' } },
    ]);
  }
  await rig.pool.query(`update agents set retired_at = '0001-01-01 00:00:00Z', drain = true where id = $1`, [agentId]);
  await rig.bus.until(agentId, 'agent.retired');
  const reports = await reportsOf(rig.bus.seen.map((seen) => seen.id));
  expect(reports.map(({ problems }) => problems)).toEqual(reports.map(() => []));
  expect(new Set(reports.map(({ type }) => type))).toEqual(new Set(eventTypes));
});

const example = catalog['instance.updated'].versions.newest.example as ForeignEvent['body'];
const { instance_id: _, ...withoutId } = example;

test.each<[what: string, event: ForeignEvent, problem: RegExp]>([
  [
    'a value that is not listed',
    foreignEvent('instance.updated', { ...example, status: 'paused' }),
    /^body\$\.status: /,
  ],
  ['a missing field', foreignEvent('instance.updated', withoutId, { headers: { 'cloudEvents:subject': randomUUID() } }), /^body\$: 'instance_id' is a required/], // prettier-ignore
  ['a time of another zone', foreignEvent('instance.updated', { ...example, updated_at: '2025-01-01T12:00:00+01:00' }), /^body\$\.updated_at: /], // prettier-ignore
  ['a day that is none', foreignEvent('instance.updated', { ...example, updated_at: '2025-02-30T12:00:00Z' }), /^body\$\.updated_at: /], // prettier-ignore
  ['a header of the wrong kind', foreignEvent('instance.updated', example, { headers: { generation: -1 } }), /^headers\$\.generation: /], // prettier-ignore
  [
    'an unknown version',
    foreignEvent('instance.updated', example, { version: 99 }),
    /there is no instance\.updated\.v99/,
  ],
])('a broken event is reported with the field, and not handled here either: %s', async (_case, event, problem) => {
  await sendForeign(rig.bus, event);
  const eventId = String(event.headers['cloudEvents:id']);
  const [report] = await reportsOf([eventId]);
  expect(report?.problems.filter((text) => problem.test(text))).not.toEqual([]);
  const letter = await vi.waitUntil(
    async () => rig.bus.channel.get(`${queueNames.adminBackendAudit}.dead`, { noAck: true }),
    { interval: 10 },
  );
  expect(letter && letter.properties.messageId).toBe(eventId);
  expect(handled.map(({ metadata }) => metadata.id)).not.toContain(eventId);
});

const ofInstance = {
  agent_id: randomUUID(),
  user_id: randomUUID(),
  desired_state: 'running',
  generation: Number.MAX_SAFE_INTEGER,
  observed_generation: 2 ** 40,
};

test('what a client in Python publishes is handled: every example of the catalog, and the largest numbers', async () => {
  if ('missing' in found) return;
  const events = exampleEvents().map((event) => ({
    ...event,
    version: event.headers['schema_version'],
    headers: event.type.startsWith('instance.') ? ofInstance : {},
  }));
  const publisher = startBusClient<{ id: string }>({
    ...found,
    command: 'publish',
    amqpUrl: rig.environment.AMQP_URL,
    schemas: schemaFolder,
  });
  for (const event of events) publisher.send(event);
  await publisher.finish();
  const ids = publisher.lines.map(({ id }) => id);
  const arrived = () => ids.flatMap((eventId) => handled.filter(({ metadata }) => metadata.id === eventId));
  await vi.waitUntil(() => arrived().length >= events.length, { timeout: 20_000, interval: 5 });
  expect(arrived().map(({ type, body }) => [type, body])).toEqual(
    exampleEvents().map((event) => [event.type, bodyToHandle(event)]),
  );
  expect(arrived()[0]?.metadata.instance?.generation).toBe(Number.MAX_SAFE_INTEGER);
  expect((await reportsOf(ids)).map(({ problems }) => problems)).toEqual(ids.map(() => []));
});
