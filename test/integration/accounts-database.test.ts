import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { recordFinalStatus, recordStatus } from '../../database/instances/status.ts';
import { markPublished, markRejected, takeUnpublished } from '../../bridge/event-broker/event-log.ts';
import { serviceNames } from '../../contracts/access.ts';
import type { ServiceName } from '../../contracts/names.ts';
import { one, useRig } from '../support/rig.ts';
import { openTestPool } from '../support/test-pool.ts';

const owner = decodeURIComponent(new URL(inject('servers').databaseUrl).username);
const rig = useRig();
let instanceId: string;
let agentId: string;
const pools = new Map<ServiceName, pg.Pool>();

beforeAll(async () => {
  for (const service of serviceNames) {
    pools.set(service, openTestPool({ connectionString: rig.environmentOf(service).DATABASE_URL, max: 1 }));
  }
  agentId = await rig.publishAgent({ environment: { SECRET: 'hunter2' } });
  instanceId = await rig.insertInstance(agentId);
});
afterAll(() => Promise.all([...pools.values()].map((pool) => pool.end())));

const as = (service: ServiceName): pg.Pool => {
  const pool = pools.get(service);
  if (!pool) throw new Error(`no pool of ${service}`);
  return pool;
};
const insufficientPrivilege = { code: '42501' };
const entriesOf = async (id: string) => {
  const { rows } = await rig.pool.query<{ event: string; correlation: string }>(
    `select notification ->> 'event_type' as event, correlation_id as correlation from event_log
     where entity_id = $1 order by sequence`,
    [id],
  );
  return rows;
};

describe.each(serviceNames)('%s', (service) => {
  test.each([
    ['write an event', `insert into event_log (entity_id, sequence) values (gen_random_uuid(), 1)`],
    ['change an event', `update event_log set notification = '{}'`],
    ['delete events', 'delete from event_log'],
    ['truncate the log', 'truncate event_log_entries'],
    ['write an entry', `insert into event_log_entries (entity_id, sequence) values (gen_random_uuid(), 1)`],
    ['change an entry', `update event_log_entries set notification = '{}'`],
    ['delete entries', 'delete from event_log_entries'],
    ['delete publications', 'delete from event_log_publications'],
    ['have an entry wait', 'insert into event_log_waiting (id, size_bytes) values (1, 1)'],
    [
      'have an event appended',
      `select append_event('instances_notify', gen_random_uuid(), 1, 'insert', 'instances', '{}')`,
    ],
    ['hold an entity up', `select next_sequence_without_row(gen_random_uuid())`],
    [
      'have the triggers write events of a table of its own',
      `create temporary table forged (like instances);
       create trigger forged after insert on forged for each row execute function instances_notify()`,
    ],
    [
      'put a function in the place of one of the owner',
      `create function public.to_jsonb(agents) returns jsonb return '{}'`,
    ],
    ['become the owner', `set role "${owner}"`],
    ['change a status', `update instances set status = 'running'`],
    ['put the leader of event_broker out of its row', 'truncate event_broker_leader'],
    ['change the generation that was observed', 'update instances set observed_generation = 7'],
    ['change why a status is what it is', `update instances set metadata = '{"status_reason": {}}'`],
    ['change a sequence', 'update instances set sequence = 7'],
    ['truncate instances', 'truncate instances'],
    ['delete agents', 'delete from agents'],
    ['change which version is the stable one', `update agents set stable_version = version`],
    ['change which version runs', `update instances set running_version = '9'`],
    ['withdraw a version', 'update agent_versions set withdrawn_at = now()'],
    ['write a version', `insert into agent_versions (agent_id, version) values (gen_random_uuid(), '9')`],
    ['delete versions', 'delete from agent_versions'],
    ['change the status of a rollout', `update rollouts set status = 'completed'`],
    ['change what became of an instance', `update rollout_instances set outcome = 'healthy'`],
    ['delete rollouts', 'delete from rollouts'],
    ['truncate rollouts', 'truncate rollouts cascade'],
    ['change the status of a deployment', `update deployments set status = 'promoted'`],
    ['change which build is current', `update worker_deployments set current_build_id = '9'`],
    ['change which builds run', 'delete from worker_builds'],
    ['change what was found about an instance', `update deployment_instances set healed_at = now()`],
    ['delete deployments', 'delete from deployments'],
    ['truncate deployments', 'truncate deployments cascade'],
  ])('cannot %s', async (_, statement) => {
    await expect(as(service).query(statement)).rejects.toMatchObject(insufficientPrivilege);
  });
});

test.each([
  ['event_broker', `select * from instances`],
  ['event_broker', `select id from agents`],
  ['event_broker', `delete from event_broker_leader`],
  ['event_broker', `insert into event_broker_leader (epoch, beats) values (9, 9)`],
  ['event_broker', `insert into instances (agent_id, user_id) values (gen_random_uuid(), gen_random_uuid())`],
  ['agents_worker', `update instances set config = '{}'`],
  ['agents_worker', `update instances set desired_state = 'stopped'`],
  ['agents_worker', `insert into instances (agent_id, user_id) values (gen_random_uuid(), gen_random_uuid())`],
  ['agents_worker', `delete from instances`],
  ['agents_worker', `update agents set retired_at = now()`],
  ['agents_worker', `update event_log set published_at = null`],
  ['agents_worker', `update event_log_publications set published_at = null`],
  ['agents_worker', 'delete from event_log_waiting'],
  ['user_backend', 'select from event_log_entries'],
  ['user_backend', 'select from event_log_backlog'],
  ['admin_backend', `update event_log_publications set published_at = null`],
  ['admin_backend', 'delete from event_log_waiting'],
  ['event_broker', 'update event_log_publications set position = 1'],
  ['agents_worker', `update instances set agent_version = null`],
  ['agents_worker', `update instances set version_policy = 'hold'`],
  ['agents_worker', `insert into rollouts (agent_id, version) values (gen_random_uuid(), '1')`],
  ['agents_worker', `update rollouts set desired_state = 'aborted'`],
  ['agents_worker', 'select lock_rollout(gen_random_uuid())'],
  ['user_backend', 'select from rollouts'],
  ['user_backend', `insert into rollouts (agent_id, version) values (gen_random_uuid(), '1')`],
  ['admin_backend', `insert into rollouts (agent_id, version, status) values (gen_random_uuid(), '1', 'completed')`],
  ['admin_backend', 'select move_wave(gen_random_uuid(), 1, 1, 1, 1, null)'],
  ['admin_backend', 'select complete_rollout(gen_random_uuid())'],
  ['agents_worker', `insert into deployments (deployment_name, build_id) values ('a', '1')`],
  ['agents_worker', `update deployments set desired_state = 'aborted'`],
  ['agents_worker', `select record_deployment(gen_random_uuid(), 'promoted', '{}')`],
  ['agents_worker', `select record_routing('a', '1', null, 0)`],
  ['user_backend', 'select from deployments'],
  ['user_backend', `insert into deployments (deployment_name, build_id) values ('a', '1')`],
  ['user_backend', `select announce_build('a', '1', 60)`],
  ['admin_backend', `insert into deployments (deployment_name, build_id, previous_build_id) values ('a', '1', '0')`],
  ['admin_backend', `select record_deployment(gen_random_uuid(), 'promoted', '{}')`],
  ['admin_backend', `select announce_build('a', '1', 60)`],
  ['admin_backend', 'select insert_canary(gen_random_uuid())'],
  ['deployer', `insert into deployments (deployment_name, build_id) values ('a', '1')`],
  ['deployer', `update deployments set desired_state = 'promoted'`],
  ['deployer', `select announce_build('a', '1', 60)`],
  ['deployer', 'select lock_deployment(gen_random_uuid())'],
  ['deployer', 'select config from instances'],
  ['deployer', `insert into instances (agent_id, user_id) values (gen_random_uuid(), gen_random_uuid())`],
  ['deployer', `update instances set desired_state = 'stopped'`],
  ['deployer', 'delete from instances'],
  ['deployer', 'select from agents'],
  ['deployer', 'select from agent_versions'],
  ['deployer', 'select from event_log'],
  ['deployer', 'select from audit_log'],
  ['deployer', 'select from idempotency_keys'],
  ['event_broker', 'select from agent_versions'],
  ['user_backend', 'select runtime from agent_versions'],
  ['user_backend', 'select * from agent_versions'],
  ['user_backend', `update agents set rollout = '{}'`],
  ['admin_backend', `update instances set agent_version = null`],
  ['user_backend', `select runtime from agents`],
  ['user_backend', `select * from agents`],
  ['user_backend', `update agents set retired_at = now()`],
  ['user_backend', `update instances set user_id = gen_random_uuid()`],
  [
    'user_backend',
    `insert into instances (agent_id, user_id, status) values (gen_random_uuid(), gen_random_uuid(), 'running')`,
  ],
  ['user_backend', `update event_log set published_at = null`],
  ['user_backend', 'select from event_log'],
  ['user_backend', `update event_history set published_at = null`],
  ['admin_backend', `update instances set desired_state = 'stopped'`],
  ['admin_backend', `insert into instances (agent_id, user_id) values (gen_random_uuid(), gen_random_uuid())`],
  ['admin_backend', `delete from instances`],
  ['admin_backend', `update agents set sequence = 7`],
  ['admin_backend', `update event_log set published_at = null`],
] as const)('%s is refused: %s', async (service, statement) => {
  await expect(as(service).query(statement)).rejects.toMatchObject(insufficientPrivilege);
});

test.each(['agents_worker', 'user_backend', 'admin_backend'] as const)(
  '%s can neither lead in the place of event_broker nor hold its row',
  async (service) => {
    for (const statement of [
      'update event_broker_leader set epoch = epoch + 1',
      'select from event_broker_leader for update',
      'select from event_broker_leader for key share',
      'begin; lock table event_broker_leader in access share mode',
    ]) {
      await expect(as(service).query(statement)).rejects.toMatchObject(insufficientPrivilege);
      await as(service).query('rollback');
    }
  },
);

test.each(['event_broker', 'user_backend', 'admin_backend'] as const)(
  '%s cannot record a status, nor the last one',
  async (service) => {
    const status = { instanceId, status: 'failed', generation: 1 } as const;
    await expect(recordStatus(as(service), status)).rejects.toMatchObject(insufficientPrivilege);
    await expect(recordFinalStatus(as(service), instanceId)).rejects.toMatchObject(insufficientPrivilege);
  },
);

test('agents_worker records statuses, whose events say what caused them', async () => {
  const id = await rig.insertInstance(agentId);
  const correlationId = randomUUID();
  const cause = { eventId: randomUUID(), correlationId, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
  const recorded = await recordStatus(as('agents_worker'), { instanceId: id, status: 'running', generation: 1, cause });
  expect(recorded).toMatchObject({ outcome: 'recorded', row: { sequence: 2 } });
  await rig.deleteInstance(id);
  expect(await recordFinalStatus(as('agents_worker'), id)).toBeNull();
  const entries = await entriesOf(id);
  expect(entries.map(({ event }) => event)).toEqual(['insert', 'update', 'delete', 'update']);
  expect(entries[1]?.correlation).toBe(correlationId);
});

test('user_backend creates, changes and deletes instances, and says what their events belong to', async () => {
  const client = await as('user_backend').connect();
  const correlationId = randomUUID();
  await client.query('begin');
  await client.query(`select set_config('events.correlation_id', $1, true)`, [correlationId]);
  const { rows } = await client.query<{ id: string; status: string }>(
    `insert into instances (agent_id, user_id, config, metadata) values ($1, $1, '{"a": 1}', '{"note": 1}') returning *`,
    [agentId],
  );
  const { id, status } = one(rows);
  await client.query(`update instances set desired_state = 'stopped', config = '{}' where id = $1`, [id]);
  await client.query('delete from instances where id = $1', [id]);
  await client.query('commit');
  client.release();
  expect(status).toBe('pending');
  expect(await entriesOf(id)).toEqual(
    ['insert', 'update', 'delete'].map((event) => ({ event, correlation: correlationId })),
  );
});

test.each(['event_broker', 'user_backend', 'admin_backend'] as const)('%s cannot pin a version', async (service) => {
  await expect(as(service).query('select pin_version($1)', [instanceId])).rejects.toMatchObject(insufficientPrivilege);
});

test('user_backend knows the versions of agents but for what they need to run, and chooses one', async () => {
  const client = as('user_backend');
  const { rows: versions } = await client.query(
    `select v.version, v.capabilities, v.withdrawn_at, v.withdrawn_reason, a.stable_version, k.runtime
     from agent_versions v join agents a on a.id = v.agent_id
     join agent_version_runtimes k on (k.agent_id, k.version) = (v.agent_id, v.version) where v.agent_id = $1`,
    [agentId],
  );
  const chosen = { version: '1', capabilities: [], withdrawn_at: null, withdrawn_reason: null };
  expect(versions).toEqual([{ ...chosen, stable_version: '1', runtime: 'process' }]);
  const { rows } = await client.query<{ id: string }>(
    `insert into instances (agent_id, user_id, agent_version, version_policy) values ($1, $1, '1', 'hold') returning id`,
    [agentId],
  );
  const { id } = one(rows);
  await client.query(`update instances set agent_version = '1', version_policy = 'follow' where id = $1`, [id]);
  await client.query('delete from instances where id = $1', [id]);
});

test('agents_worker reads what a version needs to run, and pins one', async () => {
  const client = as('agents_worker');
  const { rows } = await client.query<{ runtime: object }>('select runtime from agent_versions where agent_id = $1', [
    agentId,
  ]);
  expect(one(rows).runtime).toMatchObject({ environment: { SECRET: 'hunter2' } });
  const { rows: pinned } = await client.query('select pin_version($1) as version', [instanceId]);
  expect(pinned).toEqual([{ version: '1' }]);
});

test('user_backend knows agents but for what they need to run, also where the log has it', async () => {
  const client = as('user_backend');
  const { rows: agents } = await client.query('select name, version, capabilities, retired_at from agents');
  expect(agents).toContainEqual({ name: 'test', version: '1', capabilities: [], retired_at: null });
  const { rows } = await client.query<{ entity_id: string; entry: string }>(
    'select entity_id, notification::text as entry from event_history',
  );
  expect(rows.map(({ entity_id: id }) => id)).toEqual(expect.arrayContaining([instanceId, agentId]));
  expect(JSON.stringify(rows)).not.toContain('hunter2');
});

test('admin_backend publishes, changes and retires agents', async () => {
  const client = as('admin_backend');
  const { rows } = await client.query<{ id: string }>(
    `insert into agents (name, version, runtime, rollout) values ('one', '1', '{}', '{}') returning id`,
  );
  const { id } = one(rows);
  await client.query(
    `insert into agents (id, name, version, runtime) values ($1, 'one', '2', '{}')
     on conflict (id) do update set version = excluded.version`,
    [id],
  );
  await client.query('update agents set retired_at = now(), drain = true, rollout = null where id = $1', [id]);
  const { rows: versions } = await client.query(
    'select version, runtime from agent_versions where agent_id = $1 order by published_at',
    [id],
  );
  expect(versions).toEqual(['1', '2'].map((version) => ({ version, runtime: {} })));
  expect((await entriesOf(id)).map(({ event }) => event)).toEqual(['insert', 'update', 'update']);
  const { rows: seen } = await client.query('select status from instances where id = $1', [instanceId]);
  expect(seen).toEqual([{ status: 'pending' }]);
  const { rows: logged } = await client.query('select from event_log where entity_id = $1', [id]);
  expect(logged).toHaveLength(3);
});

test('event_broker reads the log and marks its entries, and hears of them', async () => {
  const client = await as('event_broker').connect();
  await client.query('listen instances_notify');
  const entries = await takeUnpublished(client, { maxEntries: 1_000, maxBytes: 1e9 });
  const [first, second] = entries;
  await markPublished(client, [first?.id ?? '']);
  await markRejected(client, second?.id ?? '', 'as a test');
  const left = await takeUnpublished(client, { maxEntries: 1_000, maxBytes: 1e9 });
  client.release();
  expect(left).toHaveLength(entries.length - 2);
});

test('a temporary table of the name of the log gets none of the events', async () => {
  const client = await as('user_backend').connect();
  await client.query('create temporary table event_log as select * from event_history limit 0');
  const { rows } = await client.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values ($1, $1) returning id',
    [agentId],
  );
  const { rows: caught } = await client.query('select from pg_temp.event_log');
  await client.query('drop table pg_temp.event_log');
  client.release();
  expect(caught).toEqual([]);
  expect(await entriesOf(one(rows).id)).toHaveLength(1);
});
