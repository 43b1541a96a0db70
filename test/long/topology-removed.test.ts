import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { pino } from 'pino';
import { z } from 'zod';
import { startEventBroker } from '../../bridge/event-broker/event-broker.ts';
import { controlQueueName, exchangeNames, queueNames, replicaQueueName } from '../../contracts/names.ts';
import { deadLetterQueueNames, domainQueueNames, eventTypesOf, topology } from '../../contracts/topology.ts';
import type { Service } from '../../workers/services/service.ts';
import { startAdminBackend, type AdminBackend } from '../support/admin-backend.ts';
import { startUserBackend, type UserBackend } from '../support/backends.ts';
import { openControl, type Control } from '../support/control.ts';
import { managementApi } from '../support/management.ts';
import { one, openRig, useRig } from '../support/rig.ts';

const patience = { timeout: 60_000, interval: 200 };

const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' } });
let control: Control;
let management: ReturnType<typeof managementApi>;
let host: string;
let broker: Service;
let admin: AdminBackend;
let user: UserBackend;
/** An instance whose agent listens, and its agent. */
let listener: { id: string; agentId: string };
let whole: string[];

beforeAll(async () => {
  const { managementUrl } = inject('servers');
  management = managementApi(managementUrl, rig.environment.AMQP_URL);
  host = new URL(rig.environment.AMQP_URL).pathname.slice(1);
  control = openControl(rig, managementUrl);
  broker = await rig.startEventBroker();
  const worker = await rig.startAgentsWorker();
  const deployer = await rig.startDeployer();
  admin = await startAdminBackend(rig);
  await Promise.all([broker.ready(), worker.ready(), deployer.ready(), admin.ready()]);
  user = await startUserBackend(rig);
  const agentId = await control.publishAgent({ onStop: 'stay' });
  listener = { id: await rig.insertInstance(agentId), agentId };
  await untilRunning(listener.id);
  await control.untilListening(controlQueueName(listener.id));
  whole = await describeTopology();
});
afterAll(() => Promise.all([admin.stop(), user.stop()]));

const named = z.array(z.object({ name: z.string() }));
const bound = z.array(
  z.object({ source: z.string(), destination: z.string(), routing_key: z.string(), properties_key: z.string() }),
);

async function get(what: string): Promise<unknown> {
  return (await management('GET', `${what}/${host}`)).json();
}

/** Every exchange, queue and binding; replicas of user_backend choose a new name with each connection. */
async function describeTopology(): Promise<string[]> {
  const [exchanges, queues, bindings] = await Promise.all(['exchanges', 'queues', 'bindings'].map(get));
  const names = [
    ...named.parse(exchanges).map(({ name }) => `exchange ${name}`),
    ...named.parse(queues).map(({ name }) => `queue ${name}`),
    ...bound
      .parse(bindings)
      .filter(({ source }) => source !== '')
      .map(({ source, destination, routing_key: key }) => `binding of ${destination} to ${source} by ${key}`),
  ];
  const replica = new RegExp(replicaQueueName('[^. ]+').replaceAll('.', String.raw`\.`));
  // The queue of a connection that a replica gave up stays for a minute beside the new one.
  const unique = new Set(
    names.filter((name) => !name.includes(' amq.')).map((name) => name.replace(replica, replicaQueueName('*'))),
  );
  return [...unique].toSorted();
}

async function unbind(isMeant: (binding: { source: string; destination: string }) => boolean): Promise<void> {
  const bindings = bound.parse(await get('bindings')).filter((binding) => binding.source !== '' && isMeant(binding));
  expect(bindings).not.toEqual([]);
  for (const { source, destination, properties_key: key } of bindings) {
    await management('DELETE', `bindings/${host}/e/${source}/q/${destination}/${encodeURIComponent(key)}`);
  }
}

async function untilRunning(id: string): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query<{ status: string }>('select status from instances where id = $1', [id]);
    expect(one(rows).status).toBe('running');
  }, patience);
}

/** A broken message reaches each domain queue, and each of its consumers puts it into its dead-letter queue. */
async function expectLetters(): Promise<void> {
  const content = `broken ${randomUUID()}`;
  const types = new Set(domainQueueNames.map((queue) => one(eventTypesOf(queue).slice(-1))));
  for (const type of types) {
    await rig.bus.publish(exchangeNames.events, type, content, { type });
  }
  for (const queue of deadLetterQueueNames) {
    await vi.waitFor(async () => {
      for (;;) {
        const message = await rig.bus.channel.get(queue, { noAck: true });
        if (!message) throw new Error(`the letter is not in ${queue}`);
        if (message.content.toString('utf8') === content) return;
      }
    }, patience);
  }
}

/** An event is recorded by admin_backend, and leads to an agent. */
async function expectEvents(agentId: string): Promise<void> {
  const id = await rig.insertInstance(agentId);
  await untilRunning(id);
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query('select from audit_log where instance_id = $1', [id]);
    expect(rows.length).toBeGreaterThan(0);
  }, patience);
  await rig.deleteInstance(id);
}

/** The agent hears what is for its instance, and what is for all instances of its agent. */
async function expectCommands(): Promise<void> {
  const { id, agentId } = listener;
  await control.untilListening(controlQueueName(id));
  const type = `probe ${randomUUID()}`;
  for (const key of [id, agentId]) await rig.bus.publish(exchangeNames.agents, key, '{}', { type });
  try {
    await vi.waitFor(async () => {
      expect((await control.told(id)).filter((note) => note.type === type)).toHaveLength(2);
    }, patience);
  } catch (cause) {
    const queue = await (await management('GET', `queues/${host}/${controlQueueName(id)}`)).text();
    const all = (await control.told(id)).map((note) => `${new Date(note.at).toISOString()} ${note.type}`);
    const printed = await readFile(join(rig.environment.RUNTIME_DIRECTORY, `instance-${id}`, 'agent.log'), 'utf8');
    const { rows } = await rig.pool.query('select * from instances where id = $1', [id]);
    const facts = { queue, all, printed, rows, log: rig.log.slice(-30) };
    throw new Error(`The agent was not told ${type}: ${JSON.stringify(facts, undefined, 1)}`, { cause });
  }
}

const domainQueues: readonly string[] = domainQueueNames;
const deadQueues: readonly string[] = deadLetterQueueNames;
const others = topology.exchanges
  .map(({ name }) => name)
  .filter((name) => name !== exchangeNames.events && name !== exchangeNames.agents);

async function replicaQueues(): Promise<string[]> {
  const names = named.parse(await get('queues')).map(({ name }) => name);
  const found = names.filter((name) => name.startsWith(replicaQueueName('')));
  expect(found).not.toEqual([]);
  return found;
}

async function deleteQueues(names: readonly string[]): Promise<void> {
  for (const name of names) await rig.bus.channel.deleteQueue(name);
}

test.each<[string, () => Promise<unknown>]>([
  ['the exchange of all events', () => rig.bus.channel.deleteExchange(exchangeNames.events)],
  ['the exchange of commands', () => rig.bus.channel.deleteExchange(exchangeNames.agents)],
  [
    'each exchange of dead letters',
    async () => {
      for (const name of others) await rig.bus.channel.deleteExchange(name);
    },
  ],
  ['each domain queue', () => deleteQueues(domainQueues)],
  ['each dead-letter queue', () => deleteQueues(deadQueues)],
  [
    'the binding of agents_worker.agent',
    () =>
      unbind(
        ({ source, destination }) => destination === queueNames.agentsWorkerAgent && source === exchangeNames.events,
      ),
  ],
  ['each binding of a domain queue', () => unbind(({ destination }) => domainQueues.includes(destination))],
  ['each binding of a dead-letter queue', () => unbind(({ destination }) => deadQueues.includes(destination))],
  ['the queue of a replica', async () => deleteQueues(await replicaQueues())],
  ['a control queue', () => deleteQueues([controlQueueName(listener.id)])],
  [
    'every binding of a control queue',
    () => unbind(({ destination }) => destination === controlQueueName(listener.id)),
  ],
])('%s is made again after it was removed, and all is at work again', async (_, remove) => {
  const agentId = await rig.publishAgent();
  await remove();
  await rig.deleteInstance(await rig.insertInstance(agentId));
  await vi.waitFor(async () => expect(await describeTopology()).toEqual(whole), patience);
  await Promise.all([expectLetters(), expectEvents(agentId), expectCommands()]);
  expect(rig.fatal).toEqual([]);
});

test('event_broker is not ready while it cannot make what is missing', async () => {
  const ready = async () => (await fetch(`http://127.0.0.1:${broker.healthPort}/ready`)).status;
  const before = named.parse(await get('queues')).length;
  await management('PUT', `vhost-limits/${host}/max-queues`, { value: before - 1 });
  await deleteQueues([queueNames.adminBackendAudit]);
  await vi.waitFor(async () => expect(await ready()).toBe(503), patience);
  await management('DELETE', `vhost-limits/${host}/max-queues`);
  await vi.waitFor(async () => expect(await ready()).toBe(200), patience);
  await vi.waitFor(async () => expect(await describeTopology()).toEqual(whole), patience);
});

test('what was removed is made again while event_broker has much to publish', async () => {
  await using other = await openOwnBroker();
  const { pool, bus } = other.rig;
  await pool.query(
    `insert into agents (name, version, runtime) select 'test', n::text, '{}' from generate_series(1, 5000) n`,
  );
  await vi.waitUntil(() => bus.seen.length > 10, patience);
  await bus.channel.deleteQueue(queueNames.adminBackendAudit);
  await vi.waitFor(async () => {
    const queues = named.parse(await (await management('GET', `queues/${other.host}`)).json());
    expect(queues.map(({ name }) => name)).toContain(queueNames.adminBackendAudit);
  }, patience);
  const { rows } = await pool.query('select from event_log where published_at is null');
  expect(rows.length, 'it still has much to publish').toBeGreaterThan(100);
});

/** event_broker with a database and a virtual host of its own, which publishes one entry after the other. */
async function openOwnBroker() {
  const own = await openRig();
  const supervised = startEventBroker({
    databaseUrl: own.environmentOf('event_broker').DATABASE_URL,
    amqpUrl: own.environmentOf('event_broker').AMQP_URL,
    logger: pino({ level: 'silent' }),
    onFatal: (error) => own.fatal.push(error),
    maxBatchEntries: 1,
    topologyMs: 200,
  });
  await vi.waitUntil(() => supervised.health.ready, patience);
  return {
    rig: own,
    host: new URL(own.environment.AMQP_URL).pathname.slice(1),
    [Symbol.asyncDispose]: async () => {
      await supervised.stop();
      await own.close();
    },
  };
}
