import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import { verifyAudit } from '../../backends/admin/audit/verify.ts';
import { startAdminBackend, type AdminBackend } from '../support/admin-backend.ts';
import { exampleEvents, foreignEvent, sendForeign, type ForeignEvent } from '../support/foreign-events.ts';
import { one, useRig } from '../support/rig.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import { tokenSettings } from '../support/tokens.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

const queue = 'admin_backend.audit';
const rig = useRig({ services: ['event_broker', 'agents_worker'] });
let agentId: string;
const running: AdminBackend[] = [];
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ stop }) => stop()));
  await Promise.all(processes.splice(0).map(({ kill }) => kill('SIGKILL')));
});

async function start(settings: Record<string, string> = {}): Promise<AdminBackend> {
  const admin = await startAdminBackend(rig, settings);
  running.push(admin);
  await admin.ready();
  return admin;
}

interface Row {
  event_id: string;
  body: string;
  [column: string]: unknown;
}

async function entriesOf(...eventIds: string[]): Promise<Row[]> {
  const { rows } = await rig.pool.query<Row>('select * from audit_log where event_id = any ($1) order by position', [
    eventIds,
  ]);
  return rows;
}

const idOf = ({ headers }: ForeignEvent): string => String(headers['cloudEvents:id']);
const send = (event: ForeignEvent) => sendForeign(rig.bus, event, queue);

async function untilRecorded(...events: ForeignEvent[]): Promise<Row[]> {
  const ids = [...new Set(events.map(idOf))];
  return vi.waitFor(
    async () => {
      const rows = await entriesOf(...ids);
      expect(rows).toHaveLength(ids.length);
      return rows;
    },
    { timeout: 20_000 },
  );
}

/** Everything that the triggers ever wrote, each once, in one chain. */
async function expectAllOnce(): Promise<void> {
  expect(rig.fatal).toEqual([]);
  await rig.untilBusIsQuiet();
  await vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query(
        'select e.event_id from event_log e left join audit_log a using (event_id) where a.event_id is null',
      );
      expect(rows).toEqual([]);
      expect((await rig.bus.channel.checkQueue(queue)).messageCount).toBe(0);
    },
    { timeout: 30_000 },
  );
  const client = await rig.connect();
  const { problem, entries } = await verifyAudit(client);
  expect(problem).toBeUndefined();
  const { rows } = await rig.pool.query<{ count: number }>('select count(distinct event_id)::int from audit_log');
  expect(one(rows).count).toBe(entries);
}

const example = (type: string): ForeignEvent => {
  const { body } = exampleEvents().find((each) => each.type === type) as ForeignEvent;
  return foreignEvent(type as ForeignEvent['type'], body);
};

test('every event of a life has one entry that says what it said, although every message is published twice', async () => {
  await start();
  const id = await rig.insertInstance(agentId, { secret: 'x' });
  await rig.bus.until(id, 'instance.updated', 'running');
  await rig.deleteInstance(id);
  await rig.bus.until(id, 'instance.updated', 'stopped');
  const seen = rig.bus.of(id);
  expect(seen.map(({ type }) => type)).toEqual([
    'instance.created',
    'instance.updated',
    'instance.deleted',
    'instance.updated',
  ]);
  for (const { body, headers } of seen) {
    await rig.bus.publish('', queue, JSON.stringify(body), { headers });
  }
  await expectAllOnce();
  const rows = await entriesOf(...seen.map((message) => message.id));
  for (const message of seen) {
    const { headers, body } = message;
    const row = one(rows.filter(({ event_id }) => event_id === message.id));
    expect(row).toMatchObject({
      type: message.type,
      occurred_at: new Date(String(headers['cloudEvents:time'])),
      instance_id: id,
      agent_id: agentId,
      user_id: headers['user_id'],
      sequence: String(Number(headers['cloudEvents:sequence'])),
      correlation_id: headers['cloudEvents:correlationid'],
      causation_id: headers['cloudEvents:causationid'] ?? null,
      schema_version: headers['schema_version'],
      desired_state: headers['desired_state'],
      generation: String(headers['generation']),
      observed_generation: String(headers['observed_generation']),
    });
    const { config: _, ...said } = body;
    const { config_sha256: hash, ...recorded } = JSON.parse(row.body) as Record<string, unknown>;
    expect(recorded).toEqual(said);
    expect(typeof hash).toBe(message.type === 'instance.created' ? 'string' : 'undefined');
  }
});

test('every kind of event of the catalog has an entry, with fields that this release does not know', async () => {
  await start();
  const events = exampleEvents().map((event): ForeignEvent => ({
    ...event,
    body: { ...event.body, added_later: [1] },
  }));
  for (const event of events) await send(event);
  const rows = await untilRecorded(...events);
  for (const { type, body, headers } of events) {
    const row = one(rows.filter(({ event_id }) => event_id === headers['cloudEvents:id']));
    const isInstance = type.startsWith('instance.');
    expect(row).toMatchObject({
      type,
      instance_id: isInstance ? body['instance_id'] : null,
      agent_id: isInstance ? headers['agent_id'] : (body['agent_id'] ?? null),
      user_id: isInstance ? headers['user_id'] : null,
    });
    expect(JSON.parse(row.body)).toMatchObject({ added_later: [1] });
  }
});

test('the same config has the same hash, whatever the order of its members, and is nowhere in the log', async () => {
  await start();
  const created = (config: object) => {
    const event = example('instance.created');
    return { ...event, body: { ...event.body, config } };
  };
  const events = [
    created({ '10': 'needle', b: [{ y: 1.5, x: null }], '9': 'ü"', a: 1e21 }),
    created({ a: 1e21, b: [{ x: null, y: 1.5 }], '9': 'ü"', '10': 'needle' }),
    created({ a: 1e21, b: [{ x: null, y: 1.5 }], '9': 'ü"', '10': 'noodle' }),
  ];
  for (const event of events) await send(event);
  const rows = await untilRecorded(...events);
  const hashes = events.map(
    (event) =>
      (JSON.parse(one(rows.filter(({ event_id }) => event_id === idOf(event))).body) as { config_sha256: string })
        .config_sha256,
  );
  // printf '%s' '{"10":"needle","9":"ü\\"","a":1e+21,"b":[{"x":null,"y":1.5}]}' | sha256sum
  const expected = '371f77a04c3855bf6d4c08097caf7cfab4669669a1b4709d3f14231c857f4eec';
  expect(hashes.slice(0, 2)).toEqual([expected, expected]);
  expect(hashes[2]).not.toBe(expected);
  expect(JSON.stringify(rows)).not.toContain('needle');
});

test('what can have no entry is put aside with its reason, and its neighbours are recorded', async () => {
  const early = example('agent.published');
  early.headers['cloudEvents:time'] = '0000-01-01T00:00:00Z';
  const good = [example('agent.published'), example('instance.updated'), example('agent.retired')];
  const deep = example('instance.created');
  const content = `${JSON.stringify({ ...deep.body, config: {} }).slice(0, -1).replace('"config":{}', `"config":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)}}`; // prettier-ignore
  for (const event of [early, ...good]) await send(event);
  await rig.bus.publish('', queue, content, { headers: deep.headers, messageId: idOf(deep) });
  await start();
  await untilRecorded(...good);
  const reasons: string[] = [];
  await vi.waitFor(async () => {
    for (let letter = await take(); letter; letter = await take())
      reasons.push(String(letter.properties.headers?.['dead_letter_reason']));
    expect(reasons).toHaveLength(2);
  });
  expect(reasons.toSorted()).toEqual([
    expect.stringMatching(/^PostgreSQL refuses it: .*out of range/),
    'body of instance.created: config is nested too deep',
  ]);
  expect(await entriesOf(idOf(early), idOf(deep))).toEqual([]);
});

const take = () => rig.bus.channel.get(`${queue}.dead`, { noAck: true });

test('two replicas write one chain, each event once, and one of them may go', async () => {
  const [first] = await Promise.all([start(), start()]);
  const ids = await Promise.all(Array.from({ length: 40 }, () => rig.insertInstance(agentId)));
  const twice = Array.from({ length: 100 }, () => example('instance.updated'));
  await Promise.all([...twice, ...twice].map(send));
  await first.stop();
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
  await untilRecorded(...twice);
  await expectAllOnce();
}, 180_000);

test('a database that goes away and comes back loses nothing and repeats nothing', async () => {
  const { DATABASE_URL: databaseUrl } = rig.environmentOf('admin_backend');
  const { host } = new URL(databaseUrl);
  const proxy = await openTcpProxy(host);
  const admin = await start({ DATABASE_URL: databaseUrl.replace(host, proxy.address) });
  const before = example('instance.updated');
  await send(before);
  await untilRecorded(before);
  await proxy.cut();
  const events = Array.from({ length: 40 }, () => example('instance.updated'));
  await Promise.all(events.map(send));
  await vi.waitUntil(() => admin.log.some(({ msg }) => msg === 'an audit entry was not taken; trying again'));
  await proxy.restore();
  await untilRecorded(...events);
  await expectAllOnce();
  await admin.stop();
  await proxy.cut();
});

test('kill -9 of admin_backend at any moment: every event has its entry, once', async () => {
  const environment = {
    ...rig.environmentOf('admin_backend'),
    ...tokenSettings,
    ADMIN_BACKEND_PORT: '0',
    ADMIN_BACKEND_HEALTH_PORT: '0',
  };
  const launch = (): WorkerProcess => {
    const started = startWorkerProcess('admin-backend', environment);
    processes.push(started);
    return started;
  };
  const delaysMs: number[] = [];
  onTestFailed(() => {
    process.stderr.write(`killed after ${delaysMs.join(', ')} ms\n`);
  });
  for (let round = 0; round < 4; round += 1) {
    const victim = launch();
    const first = example('instance.updated');
    await send(first);
    await untilRecorded(first);
    const burst = Array.from({ length: 200 }, () => example('instance.updated'));
    const sent = Promise.all([...burst, ...burst].map(send));
    const delayMs = randomInt(0, 150);
    delaysMs.push(delayMs);
    await delay(delayMs);
    await victim.kill('SIGKILL');
    await sent;
  }
  const last = launch();
  const marker = example('agent.retired');
  await send(marker);
  await untilRecorded(marker);
  await expectAllOnce();
  expect(await last.kill('SIGTERM')).toBe(0);
}, 240_000);

test('old entries are removed where that is set, and the log says how many', async () => {
  const old = example('agent.published');
  await start();
  await send(old);
  await untilRecorded(old);
  const client = await rig.connect();
  await client.query('set session_replication_role = replica');
  await client.query(`update audit_log set recorded_at = recorded_at - interval '3 days'`);
  await client.query('update audit_retention set minimum_days = 1');
  const admin = await start({ AUDIT_RETENTION_DAYS: '2' });
  expect(await entriesOf(idOf(old))).toEqual([]);
  expect(admin.log).toContainEqual(expect.objectContaining({ msg: 'old entries of the audit log were removed' }));
  const id = randomUUID();
  await rig.pool.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{}')`, [id]);
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query('select type from audit_log where agent_id = $1', [id]);
    expect(rows).toEqual([{ type: 'agent.published' }]);
  });
  expect((await verifyAudit(client)).problem).toBeUndefined();
});
