import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { one, useRig } from '../support/rig.ts';

const rig = useRig();

const uuid = expect.stringMatching(/^[\da-f-]{36}$/) as string;
const utc = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/) as string;

interface Entry {
  sequence: number;
  notification: { schema_version: number; event_type: string; table: string; row_data: Record<string, unknown> };
  correlation_id: string;
  causation_id: string | null;
  traceparent: string;
  event_id: string;
}

async function entriesOf(id: string): Promise<Entry[]> {
  const { rows } = await rig.pool.query<Entry>(
    'select *, sequence::int from event_log where entity_id = $1 order by id',
    [id],
  );
  return rows;
}

async function lastOf(id: string): Promise<Entry> {
  const last = (await entriesOf(id)).at(-1);
  if (!last) throw new Error(`no entry of ${id}`);
  return last;
}

const update = (id: string, assignment: string) =>
  rig.pool.query(`update instances set ${assignment} where id = $1`, [id]);
const rowDataOf = async (id: string) => (await lastOf(id)).notification.row_data;

test('insert, update and delete of an instance write the documented JSON', async () => {
  const [agentId, config] = [randomUUID(), { model: 'small', nested: { list: [1, 'zwei', null] } }];
  const id = await rig.insertInstance(agentId, config);
  const created = {
    id,
    agent_id: agentId,
    user_id: uuid,
    config,
    desired_state: 'running',
    generation: 1,
    status: 'pending',
    observed_generation: 0,
    host_id: null,
    metadata: {},
    sequence: 1,
    created_at: utc,
    updated_at: utc,
    agent_version: null,
    running_version: null,
    version_policy: 'follow',
    status_changed_at: utc,
    status_sequence: 0,
  };
  expect((await lastOf(id)).notification).toEqual({
    schema_version: 1,
    event_type: 'insert',
    table: 'instances',
    row_data: created,
  });

  await update(id, `config = '{"model": "large"}'`);
  expect((await lastOf(id)).notification).toEqual({
    schema_version: 1,
    event_type: 'update',
    table: 'instances',
    row_data: { ...created, config: { model: 'large' }, generation: 2, sequence: 2 },
  });

  const { config: _, ...withoutConfig } = created;
  await update(id, `metadata = '{"note": 1}'`);
  expect(await rowDataOf(id)).toEqual({ ...withoutConfig, metadata: { note: 1 }, generation: 2, sequence: 3 });

  await rig.deleteInstance(id);
  expect((await lastOf(id)).notification).toEqual({
    schema_version: 1,
    event_type: 'delete',
    table: 'instances',
    row_data: { ...withoutConfig, metadata: { note: 1 }, generation: 2, sequence: 3 },
  });
  expect((await entriesOf(id)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
});

test('insert, update, retirement and delete of an agent write the documented JSON', async () => {
  const id = await rig.publishAgent();
  const published = {
    id,
    name: 'test',
    version: '1',
    capabilities: [],
    drain: false,
    runtime: { kind: 'process', command: ['sleep', '100000'], stop_grace_seconds: 2 },
    retired_at: null,
    stable_version: '1',
    rollout: null,
    sequence: 1,
    created_at: utc,
    updated_at: utc,
  };
  expect((await lastOf(id)).notification).toEqual({
    schema_version: 1,
    event_type: 'insert',
    table: 'agents',
    row_data: published,
  });
  await rig.pool.query(`update agents set version = '2', capabilities = '["chat"]' where id = $1`, [id]);
  await rig.pool.query('update agents set retired_at = clock_timestamp() where id = $1', [id]);
  await rig.pool.query('delete from agents where id = $1', [id]);
  const changed = { ...published, version: '2', capabilities: ['chat'] };
  expect((await entriesOf(id)).slice(1).map(({ notification }) => notification)).toEqual([
    { schema_version: 1, event_type: 'update', table: 'agents', row_data: { ...changed, sequence: 2 } },
    {
      schema_version: 1,
      event_type: 'update',
      table: 'agents',
      row_data: { ...changed, retired_at: utc, sequence: 3 },
    },
    {
      schema_version: 1,
      event_type: 'delete',
      table: 'agents',
      row_data: { ...changed, retired_at: utc, sequence: 3 },
    },
  ]);
});

test('the delete of an agent tells when it was deleted, not when it last changed', async () => {
  const id = await rig.publishAgent();
  const published = String((await rowDataOf(id))['updated_at']);
  await rig.pool.query('delete from agents where id = $1', [id]);
  expect(String((await rowDataOf(id))['updated_at']) > published).toBe(true);
});

test('only a change of what is wanted makes a new generation', async () => {
  const id = await rig.insertInstance(randomUUID(), { a: 1, b: 2 });
  const changes: [string, { generation: number; sequence: number }][] = [
    [`config = '{"a": 1}'`, { generation: 2, sequence: 2 }],
    [`desired_state = 'stopped'`, { generation: 3, sequence: 3 }],
    [`agent_id = gen_random_uuid()`, { generation: 4, sequence: 4 }],
    [`metadata = '{"x": 1}'`, { generation: 4, sequence: 5 }],
    [`user_id = gen_random_uuid()`, { generation: 4, sequence: 6 }],
    [`status = 'failed', observed_generation = 4`, { generation: 4, sequence: 7 }],
    [`status = 'pending', desired_state = 'running'`, { generation: 5, sequence: 8 }],
  ];
  for (const [assignment, expected] of changes) {
    await update(id, assignment);
    expect(await rowDataOf(id), `after ${assignment}`).toMatchObject(expected);
  }
});

test('an update that changes nothing emits nothing and keeps the time', async () => {
  const id = await rig.insertInstance(randomUUID(), { a: 1, b: [2] });
  const before = one((await rig.pool.query('select * from instances where id = $1', [id])).rows) as object;
  await update(id, `config = '{"b": [2], "a": 1}', status = 'pending', updated_at = now(), sequence = 40`);
  expect(one((await rig.pool.query('select * from instances where id = $1', [id])).rows)).toEqual(before);
  expect(await entriesOf(id)).toHaveLength(1);

  const agentId = await rig.publishAgent();
  await rig.pool.query(`update agents set name = name, updated_at = now() where id = $1`, [agentId]);
  expect(await entriesOf(agentId)).toHaveLength(1);
});

test('versions and times that a client chooses are overridden', async () => {
  const id = randomUUID();
  await rig.pool.query(
    `insert into instances (id, agent_id, user_id, status, generation, observed_generation, sequence, created_at, updated_at,
       running_version, status_changed_at)
     values ($1, $1, $1, 'running', 9, 9, 9, 'infinity', '-infinity', '9', 'infinity')`,
    [id],
  );
  const row = {
    status: 'pending',
    generation: 1,
    observed_generation: 0,
    sequence: 1,
    created_at: utc,
    updated_at: utc,
    running_version: null,
    status_changed_at: utc,
  };
  expect(await rowDataOf(id)).toMatchObject(row);
  await update(
    id,
    `generation = 70, sequence = 70, created_at = 'infinity', updated_at = 'infinity', metadata = '{"a":1}'`,
  );
  expect(await rowDataOf(id)).toMatchObject({ generation: 1, sequence: 2, created_at: utc, updated_at: utc });

  const { rows } = await rig.pool.query<{ id: string }>(
    `insert into agents (name, version, runtime, sequence, created_at, updated_at, stable_version)
     values ('a', '1', '{}', 9, 'infinity', 'infinity', '9') returning id`,
  );
  expect(await rowDataOf(one(rows).id)).toMatchObject({
    sequence: 1,
    created_at: utc,
    updated_at: utc,
    stable_version: '1',
  });
});

test('an id that comes again goes on with its sequence, at a generation of its own', async () => {
  const id = await rig.insertInstance(randomUUID());
  const insertAgain = () => rig.pool.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1)', [id]);
  await rig.deleteInstance(id);
  await insertAgain();
  await rig.deleteInstance(id);
  await insertAgain();
  const entries = await entriesOf(id);
  expect(entries.map(({ sequence, notification }) => [sequence, notification.event_type])).toEqual([
    [1, 'insert'],
    [2, 'delete'],
    [3, 'insert'],
    [4, 'delete'],
    [5, 'insert'],
  ]);
  const generations = entries.map(({ notification }) => notification.row_data['generation'] as number);
  expect(generations.at(-1)).toBeGreaterThan(generations[2] ?? 0);
});

test('the writer says what its events belong to; else each one begins a trace of its own', async () => {
  const [correlation, causation] = [randomUUID(), randomUUID()];
  const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00`;
  const client = await rig.connect();
  const insert = async (settings: Record<string, string>): Promise<Entry> => {
    await client.query('begin');
    for (const [name, value] of Object.entries(settings)) {
      await client.query('select set_config($1, $2, true)', [`events.${name}`, value]);
    }
    const { rows } = await client.query<{ id: string }>(
      'insert into instances (agent_id, user_id) values (gen_random_uuid(), gen_random_uuid()) returning id',
    );
    await client.query('commit');
    return lastOf(one(rows).id);
  };

  expect(await insert({ correlation_id: correlation, causation_id: causation, traceparent })).toMatchObject({
    correlation_id: correlation,
    causation_id: causation,
    traceparent,
  });
  const alone = await insert({});
  expect(alone).toMatchObject({ correlation_id: alone.event_id, causation_id: null });
  expect(alone.traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
  expect((await insert({ correlation_id: '', traceparent: '' })).correlation_id).not.toBe(correlation);
  // A consumer would refuse the event: as the specification of traceparent asks, a new trace is begun instead.
  expect((await insert({ traceparent: 'not a trace' })).traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
  await expect(insert({ correlation_id: 'mine' })).rejects.toThrow(/uuid.*mine/);
});
