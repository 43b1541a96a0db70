import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import type { LiveUpdatesOptions } from '../../backends/live/live-updates.ts';
import { readHead, type AgentPush } from '../../backends/live/published-events.ts';
import { startReplicaFeed } from '../../backends/live/replica-feed.ts';
import { openReplica, type Replica, type Watcher } from '../support/live.ts';
import { managementApi } from '../support/management.ts';
import { one, useRig } from '../support/rig.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import type { Service } from '../../workers/services/service.ts';

const rig = useRig();
let broker: Service;
let replica: Replica;

beforeAll(async () => {
  broker = await rig.startEventBroker();
  await broker.ready();
});
afterEach(() => replica.close());

async function open(
  options: Partial<LiveUpdatesOptions> = {},
): Promise<{ client: Watcher; userId: string; id: string }> {
  replica = await openReplica(rig, options);
  const userId = randomUUID();
  const client = await replica.watch({ userId });
  await client.ready();
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values (gen_random_uuid(), $1) returning id',
    [userId],
  );
  return { client, userId, id: one(rows).id };
}

const note = async (id: string, from: number, to: number, pad = ''): Promise<void> => {
  for (let count = from; count <= to; count += 1) {
    await rig.pool.query('update instances set metadata = $2 where id = $1', [id, { count, pad }]);
  }
};

const sequencesOf = ({ events }: Watcher) => events().map(({ sequence }) => sequence);

/** The n-th note has the sequence n + 1. */
const notes = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 2);

const management = () => managementApi(inject('servers').managementUrl, inject('servers').amqpUrl);

/** Waits until RabbitMQ shows the connection of the replica, then cuts it. */
async function cutFeed(): Promise<void> {
  const virtualHost = new URL(rig.environment.AMQP_URL).pathname.slice(1);
  interface Listed {
    name: string;
    client_properties: { connection_name?: string };
  }
  const found = await vi.waitUntil(
    async () => {
      const response = await management()('GET', `vhosts/${virtualHost}/connections`);
      const connections = (await response.json()) as Listed[];
      return connections.find(({ client_properties: { connection_name: name } }) => name === 'user_backend.replica');
    },
    { timeout: 20_000, interval: 100 },
  );
  await management()('DELETE', `connections/${encodeURIComponent(found.name)}`);
}

const warnings = (text: string): number =>
  replica.log.filter(({ error = '', msg }) => `${msg} ${error}`.includes(text)).length;

test('a replica that loses RabbitMQ hands on what it missed, and nothing twice', async () => {
  const { client, id } = await open();
  await note(id, 1, 10);
  await Promise.all([cutFeed(), note(id, 11, 300)]);
  await vi.waitUntil(() => warnings('lost its connection') > 0, { timeout: 20_000 });
  await note(id, 301, 310);
  await client.until(310);
  await untilPublished();
  expect(sequencesOf(client)).toEqual(notes(310));
  expect(rig.fatal).toEqual([]);
}, 60_000);

test('a queue whose events come late is not given up', async () => {
  const { client, id } = await open();
  await note(id, 1, 1);
  await client.until(1);
  const { host } = new URL(rig.environment.AMQP_URL);
  const proxy = await openTcpProxy(host);
  const amqpUrl = rig.environment.AMQP_URL.replace(host, proxy.address);
  const { pool } = rig;
  const lines: string[] = [];
  const taken: (number | undefined)[] = [];
  const feed = startReplicaFeed({
    amqpUrl,
    pool,
    logger: pino({}, { write: (line: string) => void lines.push(line) }),
    onFatal: (error) => rig.fatal.push(error),
    onEvent: ({ metadata }) => taken.push(metadata.position),
    onLoss: () => taken.push(undefined),
    silenceMs: 100,
  });
  try {
    await vi.waitUntil(() => feed.health.ready);
    proxy.hold();
    await note(id, 2, 3);
    await untilPublished();
    const head = await readHead(pool);
    feed.expect(head);
    await delay(1_500);
    expect(taken).toEqual([]);
    proxy.release();
    await vi.waitUntil(() => feed.position === head);
    expect(taken).toEqual([head - 1, head]);
    expect(lines.filter((line) => line.includes('trying again'))).toEqual([]);
  } finally {
    await feed.stop();
    await proxy.cut();
  }
}, 60_000);

test('a queue does not have to bring the events that concern no client', async () => {
  await open({ silenceMs: 100, pollMs: 200 });
  // Nobody runs the instance, so that no event follows its creation.
  await untilPublished();
  const head = await readHead(rig.pool);
  await delay(1_500);
  expect(await readHead(rig.pool)).toBe(head);
  expect(warnings('did not bring position')).toBe(0);
}, 60_000);

test('what event_broker publishes again is not pushed again', async () => {
  const { client, id } = await open();
  await note(id, 1, 50);
  await client.until(50);
  await rig.untilBusIsQuiet();
  await broker.stop();
  await rig.pool.query('update event_log set published_at = null where entity_id = $1', [id]);
  const seen = rig.bus.of(id).length;
  broker = await rig.startEventBroker();
  await note(id, 51, 60);
  await client.until(60);
  await rig.untilBusIsQuiet();
  expect(rig.bus.of(id)).toHaveLength(seen + 51 + 10);
  expect(sequencesOf(client)).toEqual(notes(60));
}, 60_000);

test('a client that does not read is told, costs little, and has everything once it reads again', async () => {
  const { client, id } = await open({ maxBufferedBytes: 64 * 1024 });
  client.pause();
  const pad = 'x'.repeat(60_000);
  await note(id, 1, 300, pad);
  await vi.waitUntil(() => replica.live.counts().catchingUp === 1, { timeout: 20_000 });
  expect(replica.bufferedBytes()).toBeLessThan(256 * 1024);
  await note(id, 301, 310, pad);
  expect(replica.bufferedBytes()).toBeLessThan(256 * 1024);
  client.resume();
  await client.until(310);
  await vi.waitUntil(() => replica.live.counts().catchingUp === 0);
  await note(id, 311, 311);
  await client.until(311);
  expect(sequencesOf(client)).toEqual(notes(311));
  expect(client.messages.map(({ type }) => type)).toContain('lagging');
  expect(client.messages.findLast(({ type }) => type === 'ready' || type === 'lagging')?.type).toBe('ready');
}, 60_000);

test('one that does not read for too long is closed, and others go on', async () => {
  const { client, userId, id } = await open({ drainMs: 500 });
  const other = await replica.watch({ userId });
  await other.ready();
  client.pause();
  // The client answers as soon as it is closed, because the writing may take longer than a socket stays open without an answer.
  let isAnswered = false;
  const watching = setInterval(() => {
    if (isAnswered || replica.closing() !== 1) return;
    isAnswered = true;
    client.resume();
  }, 20);
  await note(id, 1, 300, 'x'.repeat(60_000));
  await other.until(300);
  await vi.waitUntil(() => isAnswered, { timeout: 20_000 });
  clearInterval(watching);
  expect(await client.closed).toEqual({ code: 4008, reason: expect.stringContaining('Too slow') as string });
  expect(sequencesOf(other)).toEqual(notes(300));
}, 60_000);

test('events of agents go to the catalog of the replica, each once and in order', async () => {
  const heard: AgentPush[] = [];
  await open({ onAgentEvent: (event) => void heard.push(event) });
  const agentId = await rig.publishAgent();
  await rig.pool.query('update agents set retired_at = clock_timestamp() where id = $1', [agentId]);
  await vi.waitUntil(() => heard.length >= 2);
  expect(heard.map(({ type, body }) => [type, body.agent_id])).toEqual([
    ['agent.published', agentId],
    ['agent.retired', agentId],
  ]);
});

test('events of an event_broker without positions are not pushed, and the log says what to do', async () => {
  const { client, id } = await open();
  await note(id, 1, 1);
  await client.until(1);
  const { message, headers } = await rig.bus.until(id, 'instance.updated');
  const { position: _, ...older } = headers;
  for (let count = 0; count < 2; count += 1) {
    await rig.bus.publish('events.topic', 'instance.updated', message.content.toString(), { headers: older });
  }
  await vi.waitUntil(() => warnings('deploy event_broker first') === 1);
  await note(id, 2, 2);
  await client.until(2);
  expect(sequencesOf(client)).toEqual(notes(2));
  expect(warnings('deploy event_broker first')).toBe(1);
});

// Last: the bindings of the bus that the rig watches go, too.
test('a queue that is bound no more is noticed by what comes over the shared one', async () => {
  const { client, id } = await open({ silenceMs: 300 });
  await note(id, 1, 1);
  await client.until(1);
  // event_broker makes it anew, with the bindings of the catalog, and without those of a replica.
  await rig.bus.channel.deleteExchange('events.topic');
  await note(id, 2, 5);
  await client.until(5);
  await vi.waitUntil(() => warnings('did not bring position') > 0);
  await vi.waitUntil(() => replica.live.parts.every(({ health }) => health.ready), { timeout: 20_000 });
  await note(id, 6, 10);
  await client.until(10);
  expect(sequencesOf(client)).toEqual(notes(10));
}, 60_000);

const untilPublished = () =>
  vi.waitUntil(
    async () => {
      const { rowCount } = await rig.pool.query('select from event_log where published_at is null');
      return rowCount === 0;
    },
    { timeout: 20_000 },
  );

test('a client that is live goes on where the whole log was removed by hand', async () => {
  const { client, id } = await open();
  await note(id, 1, 5);
  await client.until(5);
  await untilPublished();
  await rig.pool.query('delete from event_log where published_at < now()');
  await note(id, 6, 10);
  await client.until(10);
  expect(sequencesOf(client)).toEqual(notes(10));
});

test('a client that missed entries which were removed is told so, and goes on from now', async () => {
  const { client, userId, id } = await open();
  await note(id, 1, 5);
  await client.until(5);
  await client.close();
  const other = await replica.watch({ userId });
  await other.ready();
  await note(id, 6, 8);
  await other.until(3);
  await untilPublished();
  await rig.pool.query('delete from event_log where entity_id = $1 and sequence in (7, 8)', [id]);
  const again = await replica.watch({ userId, after: client.lastSeen() });
  await again.ready();
  await note(id, 9, 9);
  await again.until(1);
  expect(again.messages.map(({ type, reason, sequence }) => reason ?? sequence ?? type)).toEqual([
    'removed_events',
    'ready',
    10,
  ]);
});

test('clients are told where an older copy of the log took the place of the one that they have seen', async () => {
  const { client, id } = await open();
  await note(id, 1, 3);
  await client.until(3);
  await untilPublished();
  // As after a failover that lost the last commits.
  await rig.pool.query(`with lost as (delete from event_log where entity_id = $1 and sequence = 4 returning position)
    update event_log_positions set last_given = lost.position - 1, last_removed = 0 from lost`, [id]); // prettier-ignore
  await rig.pool.query('delete from event_log where position > (select last_given from event_log_positions)');
  await rig.pool.query('update event_log_positions set last_removed = 0');
  await note(id, 4, 5);
  await vi.waitUntil(() => client.messages.filter(({ type }) => type === 'ready').length === 2, { timeout: 20_000 });
  expect(client.messages.map(({ type, reason }) => reason ?? type)).toContain('removed_events');
  await note(id, 6, 6);
  await vi.waitUntil(() => client.events().at(-1)?.sequence === 7, { timeout: 20_000 });
});
