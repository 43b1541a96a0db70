import { randomUUID } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { one, useRig } from '../support/rig.ts';
import type { Service } from '../../workers/services/service.ts';

const rig = useRig();
let broker: Service;

afterEach(() => broker.stop());

async function startBroker(): Promise<void> {
  broker = await rig.startEventBroker();
  await broker.ready();
}

const update = (id: string, assignment: string) =>
  rig.pool.query(`update instances set ${assignment} where id = $1`, [id]);

test('what was written while the broker was down arrives in order once it is up', async () => {
  const a = await rig.insertInstance(randomUUID());
  const agentId = await rig.publishAgent();
  const b = await rig.insertInstance(agentId);
  await update(a, `desired_state = 'stopped'`);
  await rig.deleteInstance(b);
  await rig.pool.query('update agents set retired_at = clock_timestamp() where id = $1', [agentId]);
  expect([...rig.bus.of(a), ...rig.bus.of(b), ...rig.bus.of(agentId)]).toEqual([]);

  await startBroker();
  await rig.untilBusIsQuiet();
  const order = rig.bus.seen.filter(({ subject }) => [a, b, agentId].includes(subject));
  expect(order.map(({ subject, type }) => [subject, type])).toEqual([
    [a, 'instance.created'],
    [agentId, 'agent.published'],
    [b, 'instance.created'],
    [a, 'instance.updated'],
    [b, 'instance.deleted'],
    [agentId, 'agent.retired'],
  ]);
});

test('an entry that commits after later ones were published is published too', async () => {
  await startBroker();
  const slow = await rig.connect();
  await slow.query('begin');
  const late = randomUUID();
  await slow.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1)', [late]);
  const early = await rig.insertInstance(randomUUID());
  await rig.bus.until(early, 'instance.created');
  expect(rig.bus.of(late)).toEqual([]);
  await slow.query('commit');
  await rig.bus.until(late, 'instance.created');
});

test('a change of thousands of rows arrives once each, and in order for each of them', async () => {
  await startBroker();
  const userId = randomUUID();
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) select $1, $1 from generate_series(1, 2000) returning id',
    [userId],
  );
  await rig.pool.query(`update instances set config = '{"a": 1}' where user_id = $1`, [userId]);
  await rig.pool.query('delete from instances where user_id = $1', [userId]);
  await rig.untilBusIsQuiet();
  const life = ['instance.created', 'instance.updated', 'instance.deleted'];
  const types = new Map<string, string[]>();
  for (const { subject, type } of rig.bus.seen) types.set(subject, [...(types.get(subject) ?? []), type]);
  expect(rows.filter(({ id }) => String(types.get(id)) !== String(life))).toEqual([]);
}, 60_000);

test('1 MB of config arrives whole, though the notification did not hold it', async () => {
  await startBroker();
  const config = { pad: 'ä'.repeat(500_000) };
  const id = await rig.insertInstance(randomUUID(), config);
  expect((await rig.bus.until(id, 'instance.created')).body['config']).toEqual(config);
});

test('an entry that cannot become an event is set aside with the reason, and those behind it go on', async () => {
  await startBroker();
  const id = randomUUID();
  // As a trigger of another version would write it.
  await rig.pool.query(`select append_event('instances_notify', $1, 1, 'insert', 'instances', '{"id": "one"}')`, [id]);
  await rig.untilBusIsQuiet();
  const { rows } = await rig.pool.query('select * from event_log where entity_id = $1', [id]);
  expect(one(rows)).toMatchObject({
    published_at: null,
    rejected_reason: expect.stringMatching(/row_data\.id/) as string,
  });
  expect(rig.bus.of(id)).toEqual([]);
  expect(rig.log.find(({ msg }) => msg.includes('cannot be published'))?.reason).toMatch(/row_data\.id/);
});

test('a broker that is stopped in the middle of its work leaves nothing out and says nothing twice', async () => {
  const userId = randomUUID();
  const ids: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    await startBroker();
    const { rows } = await rig.pool.query<{ id: string }>(
      'insert into instances (agent_id, user_id) select $1, $1 from generate_series(1, 400) returning id',
      [userId],
    );
    ids.push(...rows.map(({ id }) => id));
    await rig.bus.until(rows[0]?.id ?? '', 'instance.created');
    await broker.stop();
  }
  await startBroker();
  await rig.untilBusIsQuiet();
  const seen = rig.bus.seen.filter(({ body }) => body['user_id'] === userId).map(({ subject }) => subject);
  expect(seen.length).toBe(new Set(seen).size);
  expect(seen.toSorted()).toEqual(ids.toSorted());
});

test('a connection to PostgreSQL that breaks is made anew, and what was written meanwhile arrives', async () => {
  await startBroker();
  const id = await rig.insertInstance(randomUUID());
  await rig.bus.until(id, 'instance.created');
  const { rowCount } = await rig.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'event_broker' and datname = current_database()`,
  );
  expect(rowCount).toBe(1);
  await update(id, `desired_state = 'stopped'`);
  await rig.bus.until(id, 'instance.updated');
  await vi.waitFor(() =>
    expect(rig.log.map(({ msg }) => msg)).toContain('event_broker lost its connection; trying again'),
  );
  expect(rig.fatal).toEqual([]);
});
