import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { recordStatus } from '../../database/instances/status.ts';
import { startUserBackend } from '../support/backends.ts';
import { valueOf } from '../support/monitoring/series.ts';
import { useRig } from '../support/rig.ts';
import { watchInstances } from '../support/watch-instances.ts';

/** The services of a test share its process, and therefore their metrics. */
const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' } });
let port: number;
let agentId: string;

beforeAll(async () => {
  const [broker, worker] = await Promise.all([rig.startEventBroker(), rig.startAgentsWorker()]);
  await Promise.all([broker.ready(), worker.ready()]);
  port = worker.healthPort;
  agentId = await rig.publishAgent();
});

const scrape = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
type Asked = [name: string, labels?: Record<string, string>];
const read = async (asked: readonly Asked[]): Promise<number[]> => {
  const text = await scrape();
  return asked.map(([name, labels]) => valueOf(text, `instance_engine_${name}`, labels) ?? 0);
};

test('the life of an instance is counted from the log to its end', async () => {
  const asked: Asked[] = [
    ['events_published_total', { type: 'instance.created' }],
    ['publication_seconds_count'],
    ['messages_handled_total', { queue: 'agents_worker.instance', outcome: 'handled' }],
    ['message_handling_seconds_count', { queue: 'agents_worker.instance' }],
    ['signals_total', { message: 'rowChanged', outcome: 'accepted' }],
    ['agent_start_seconds_count', { runtime: 'process', outcome: 'provisioned' }],
    ['instance_status_seconds_count', { status: 'pending' }],
    ['signals_total', { message: 'rowDeleted', outcome: 'accepted' }],
    ['agent_clean_up_seconds_count', { runtime: 'process', outcome: 'cleaned_up' }],
  ];
  const before = await read(asked);
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  await rig.deleteInstance(id);
  await rig.bus.until(id, 'instance.updated', 'stopped');
  await vi.waitFor(async () => {
    const after = await read(asked);
    const grown = after.map((value, index) => value > (before[index] ?? 0));
    expect(Object.fromEntries(asked.map(([name], index) => [name, grown[index]]))).toEqual(
      Object.fromEntries(asked.map(([name]) => [name, true])),
    );
  });
  // The last event is seen before RabbitMQ has confirmed it.
  await vi.waitFor(async () =>
    expect(await read([['event_broker_leading'], ['publications_unconfirmed']])).toEqual([1, 0]),
  );
});

test('an agent that ends by itself, and a start that fails, are counted with their outcome', async () => {
  const asked: Asked[] = [
    ['agent_exits_total', { kind: 'exited', failed: 'true' }],
    ['agent_start_seconds_count', { outcome: 'spec_rejected' }],
  ];
  const [exits = 0, rejected = 0] = await read(asked);
  const ends = await rig.publishAgent({ command: ['sh', '-c', 'sleep 0.3; exit 7'] });
  const missing = await rig.publishAgent({ command: ['/no/such/program'] });
  const ids = [await rig.insertInstance(ends), await rig.insertInstance(missing)];
  await Promise.all(ids.map((id) => rig.bus.until(id, 'instance.updated', 'failed')));
  expect(await read(asked)).toEqual([exits + 1, expect.toSatisfy((count: number) => count > rejected)]);
});

test('a message that cannot be handled is counted as a dead letter, and waits in its queue', async () => {
  const handled: Asked = ['messages_handled_total', { queue: 'agents_worker.instance', outcome: 'dead_lettered' }];
  const [before = 0] = await read([handled]);
  rig.bus.channel.publish('events.topic', 'instance.created', Buffer.from('no JSON'), { messageId: randomUUID() });
  await vi.waitFor(async () => expect(await read([handled])).toEqual([before + 1]));
  // Each queue is read in its turn.
  await vi.waitFor(async () =>
    expect(
      await read([
        ['queue_messages', { queue: 'agents_worker.instance.dead' }],
        ['queue_consumers', { queue: 'agents_worker.instance' }],
      ]),
    ).toEqual([1, 1]),
  );
});

test('sweeps are counted, and what they mend', async () => {
  const sweeps: Asked = ['sweep_seconds_count', { of: 'rows', outcome: 'succeeded' }];
  const [before = 0] = await read([sweeps]);
  await vi.waitFor(async () => expect((await read([sweeps]))[0]).toBeGreaterThan(before));
});

test('one agents_worker reads the database for all, with its own rights', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  await vi.waitFor(async () => {
    const [instances = 0, hosts] = await read([
      ['instances', { status: 'running', agent: 'test', reason: '' }],
      ['hosts', { runtime: 'process', state: 'serving' }],
    ]);
    expect(instances).toBeGreaterThan(0);
    expect(hosts).toBe(1);
  });
  expect(rig.log.filter(({ msg }) => msg.includes('cannot be read for the metrics'))).toEqual([]);
});

test('requests and live clients are counted by route', async () => {
  const backend = await startUserBackend(rig);
  const { api, token } = await backend.user();
  const route = '/v1/instances/:id';
  const asked: Asked[] = [
    ['http_request_seconds_count', { method: 'GET', route, status: '404' }],
    ['http_request_seconds_count', { route: '(none)', status: '404' }],
    ['events_pushed_total', { type: 'instance.updated' }],
  ];
  const before = await read(asked);
  await api('GET', `/v1/instances/${randomUUID()}`);
  await fetch(`${backend.url}/no-such-route`);
  const watch = await watchInstances(backend.url, token);
  await vi.waitFor(async () => expect(await read([['live_clients'], ['live_users']])).toEqual([1, 1]));
  await api('POST', '/v1/instances', { json: { agent_id: agentId } });
  await watch.until(({ type }) => type === 'instance.updated');
  await vi.waitFor(async () => {
    const grown = (await read(asked)).map((value, index) => value > (before[index] ?? 0));
    expect(grown).toEqual([true, true, true]);
  });
  watch.close();
  await vi.waitFor(async () => expect(await read([['live_clients']])).toEqual([0]));
  await backend.stop();
});

test('the time that an instance had a status is told once, when it gets another one', async () => {
  const left: { status: string; seconds: number }[] = [];
  const id = await rig.insertInstance(randomUUID());
  const record = (status: 'pending' | 'failed') =>
    recordStatus(rig.pool, { instanceId: id, status, generation: 1 }, (each) => left.push(each));
  await rig.pool.query(`update instances set status_changed_at = status_changed_at where id = $1`, [id]);
  await record('pending');
  expect(left).toEqual([]);
  await record('failed');
  await record('failed');
  expect(left).toEqual([{ status: 'pending', seconds: expect.any(Number) }]);
  expect(left[0]?.seconds).toBeGreaterThan(0);
});
