import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { ContractViolation } from '../../bridge/bus/incoming-event.ts';
import { amqpLimits } from '../../bridge/bus/time-limits.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { choosePorts } from '../../stack/ports.ts';
import { runInstances } from '../support/command-line.ts';
import { createdMessage } from '../support/events.ts';
import { startOwnBroker, type OwnBroker } from '../support/own-broker.ts';
import { useRig, type Rig } from '../support/rig.ts';
import { signToken, tokenSettings } from '../support/tokens.ts';
import { openVirtualHost } from '../support/virtual-host.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

const entries = ['event-broker', 'agents-worker', 'user-backend', 'admin-backend'] as const;
type Entry = (typeof entries)[number];

/** Those that publish without being asked to by a message that is wrong. */
const publishers: Entry[] = ['event-broker', 'agents-worker'];
const inEffect = 'takes no messages, because an alarm is in effect there: low on disk';

let broker: OwnBroker;
// Hooks run in reverse order: the broker stops once the rig has removed its virtual host from it.
afterAll(() => broker?.stop());
const rig = useRig({
  openServers: async () => {
    broker = await startOwnBroker();
    const { amqpUrl, managementUrl } = broker;
    return { ...inject('servers'), amqpUrl, managementUrl };
  },
});
let adminUrl: string;
let healthPorts: Record<Entry, number>;
const processes = new Map<Entry, WorkerProcess>();

beforeAll(async () => {
  const ports = await choosePorts('free');
  adminUrl = `http://127.0.0.1:${ports.adminBackend}`;
  healthPorts = {
    'event-broker': ports.postgres,
    'agents-worker': ports.amqp,
    'user-backend': ports.management,
    'admin-backend': ports.temporal,
  };
  const settings = {
    ...tokenSettings,
    EVENT_BROKER_HEALTH_PORT: String(healthPorts['event-broker']),
    AGENTS_WORKER_HEALTH_PORT: String(healthPorts['agents-worker']),
    USER_BACKEND_PORT: String(ports.userBackend),
    USER_BACKEND_HEALTH_PORT: String(healthPorts['user-backend']),
    ADMIN_BACKEND_PORT: String(ports.adminBackend),
    ADMIN_BACKEND_HEALTH_PORT: String(healthPorts['admin-backend']),
  };
  const start = (entry: Entry): void => {
    const service = entry.replace('-', '_') as Parameters<Rig['environmentOf']>[0];
    processes.set(entry, startWorkerProcess(entry, { ...rig.environmentOf(service), ...settings }));
  };
  const untilReady = (entry: Entry): Promise<unknown> =>
    vi.waitFor(() => expectHealth(entry, 200), { timeout: 120_000 });
  // The others would say that they wait for the queues that event_broker has not declared yet.
  const [declarer, ...others] = entries;
  start(declarer);
  await untilReady(declarer);
  others.forEach(start);
  for (const entry of others) await untilReady(entry);
}, 240_000);

afterEach(() => broker.endAlarm());
afterAll(async () => {
  await Promise.all([...processes.values()].map(({ kill }) => kill('SIGKILL')));
});

async function expectHealth(entry: Entry, status: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${healthPorts[entry]}/ready`).catch((error: unknown) => {
    throw new Error(`${entry} does not answer: ${outputOf(entry)}`, { cause: error });
  });
  const text = await response.text();
  expect({ entry, status: response.status, text }).toMatchObject({ status });
  return text;
}

const outputOf = (entry: Entry): string => processes.get(entry)?.output() ?? '';
const count = (entry: Entry, text: string): number => outputOf(entry).split(text).length - 1;

async function untilPublishersSaySo(): Promise<void> {
  for (const entry of publishers) {
    await vi.waitFor(async () => expect(await expectHealth(entry, 503)).toContain(inEffect), { timeout: 60_000 });
  }
}

/** A letter of an event that the log knows, which may be sent again. @returns its queue and its id */
async function makeLetter(): Promise<[string, string]> {
  await rig.pool.query(`alter table audit_log add constraint no_retirements check (type <> 'agent.retired')`);
  const agentId = await rig.publishAgent();
  await rig.pool.query('update agents set retired_at = now() where id = $1', [agentId]);
  const queue = 'admin_backend.audit.dead';
  const id = await vi.waitFor(async () => {
    const { body } = await admin('GET', `/v1/dead-letters?queue=${queue}`);
    const found = (body['letters'] as { id: string; subject: string }[]).find(({ subject }) => subject === agentId);
    if (!found) throw new Error('no dead letter');
    return found.id;
  });
  return [queue, id];
}

async function admin(method: string, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const token = await signToken({ userId: randomUUID(), roles: ['admin'] });
  const response = await fetch(adminUrl + path, { method, headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('an alarm is said once by whoever publishes, is waited out, and leads to nothing being lost or repeated', async () => {
  const agentId = await rig.publishAgent();
  await rig.bus.until(await rig.insertInstance(agentId), 'instance.updated', 'running');
  const [queue, letterId] = await makeLetter();

  await broker.alarm();
  // While they have nothing to publish, too.
  await untilPublishersSaySo();
  const ids = [await rig.insertInstance(agentId), await rig.insertInstance(agentId)];
  const answer = await admin('POST', `/v1/dead-letters/${queue}/${letterId}/send`);
  expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  const sent = await runInstances(['dead-letters', 'send', letterId, '--queue', queue], rig.environment);
  expect(sent).toMatchObject({ code: 1, errors: expect.stringContaining(inEffect) });
  // A confirm that does not come in time would end the session.
  await delay(amqpLimits.confirmMs + 1_000);
  await untilPublishersSaySo();
  for (const entry of ['user-backend', 'admin-backend'] as const) await expectHealth(entry, 200);

  await broker.endAlarm();
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
  for (const entry of entries) await vi.waitFor(() => expectHealth(entry, 200));
  await rig.untilBusIsQuiet();
  const published = rig.bus.seen.map(({ id }) => id);
  expect(published.length - new Set(published).size).toBe(0);
  for (const entry of publishers) {
    expect([count(entry, inEffect), count(entry, 'trying again')], `${entry} wrote: ${outputOf(entry)}`).toEqual([
      1, 0,
    ]);
    expect(count(entry, 'can do its work again')).toBe(1);
  }
  for (const entry of entries) expect(outputOf(entry)).not.toMatch(/(lost its|has no) connection/);
}, 240_000);

test('a letter that an alarm keeps from being written is written once when it is over, and its consumer goes on', async () => {
  await using host = await openVirtualHost(broker);
  await assertTopology(host.channel, 'event_broker');
  const lines: string[] = [];
  let judge: () => void = () => undefined;
  const judged = new Promise<void>((resolve) => {
    judge = resolve;
  });
  let calls = 0;
  const consumer = startConsumer({
    name: 'test.consumer',
    amqpUrl: host.amqpUrl,
    queue: 'agents_worker.instance',
    logger: pino({}, { write: (line: string) => void lines.push(line) }),
    onFatal: () => undefined,
    handle: async () => {
      calls += 1;
      if (calls > 1) return;
      await judged;
      throw new ContractViolation('it is not for us');
    },
  });
  try {
    const { content, headers } = createdMessage();
    const publish = (): boolean =>
      host.channel.publish('events.topic', 'instance.created', Buffer.from(content), { headers });
    publish();
    await vi.waitUntil(() => calls === 1);
    expect(consumer.health.ready).toBe(true);
    await broker.alarm();
    judge();
    await vi.waitUntil(() => !consumer.health.ready);
    expect(consumer.health.lastError).toContain(inEffect);
    await broker.endAlarm();
    await vi.waitUntil(() => consumer.health.ready);
    const letters = await vi.waitFor(async () => {
      const { messageCount } = await host.channel.checkQueue('agents_worker.instance.dead');
      expect(messageCount).toBeGreaterThan(0);
      return messageCount;
    });
    publish();
    await vi.waitUntil(() => calls === 2);
    expect(letters).toBe(1);
    expect(lines.filter((line) => line.includes(inEffect))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('trying again'))).toEqual([]);
  } finally {
    await consumer.stop();
  }
}, 240_000);

test('SIGTERM during an alarm ends every process within 30 s, with exit code 0', async () => {
  await broker.alarm();
  await untilPublishersSaySo();
  await rig.insertInstance(await rig.publishAgent());
  const ends = entries.map(async (entry) => {
    const since = Date.now();
    const code = await processes.get(entry)?.kill('SIGTERM');
    return { entry, code, isInTime: Date.now() - since < 30_000 };
  });
  expect(await Promise.all(ends)).toEqual(entries.map((entry) => ({ entry, code: 0, isInTime: true })));
}, 240_000);
