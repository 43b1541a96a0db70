import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { beginMove } from '../../../database/hosts/fleet.ts';
import { drainHost, listHosts } from '../../../database/hosts/hosts.ts';
import { readRunnableInstance } from '../../../database/instances/status.ts';
import { readSweptRows } from '../../../database/instances/sweep-rows.ts';
import { readInstanceView } from '../../../database/instances/view.ts';
import { useHostRows } from '../../support/host-rows.ts';

/** What is read of an agent for one of its instances is that of the version of the instance, whatever was published since. */

const { openHost, publishAgent, insertInstance, place, record, database } = useHostRows();
let pool: pg.Pool;
beforeAll(() => {
  pool = database();
});

const publish = (id: string, version: string, runtime: object) =>
  pool.query('update agents set version = $2, runtime = $3 where id = $1', [
    id,
    version,
    { kind: 'process', ...runtime },
  ]);
const choose = (id: string, version: string) =>
  pool.query('update instances set agent_version = $2 where id = $1', [id, version]);

describe('what an instance is started with', () => {
  const agentOf = async (id: string) => (await readRunnableInstance(pool, id))?.agent;

  test('is the runtime of its version', async () => {
    const agentId = await publishAgent({ command: ['one'] });
    const id = await insertInstance(agentId);
    await publish(agentId, '2', { command: ['two'] });
    expect(await agentOf(id)).toMatchObject({ version: '1', runtime: { command: ['one'] } });
    await choose(id, '2');
    expect(await agentOf(id)).toMatchObject({ version: '2', runtime: { command: ['two'] } });
    await pool.query('update agents set retired_at = now(), drain = true where id = $1', [agentId]);
    expect(await agentOf(id)).toMatchObject({ version: '2', retired: true, drain: true });
  });

  test('is the stable version where it waited for its agent, and stays so', async () => {
    const agentId = randomUUID();
    const id = await insertInstance(agentId);
    expect(await agentOf(id)).toBeUndefined();
    await pool.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{"kind": "process"}')`, [
      agentId,
    ]);
    await publish(agentId, '2', { command: ['two'] });
    expect(await agentOf(id)).toMatchObject({ version: '1' });
    await pool.query(`update agents set stable_version = '2' where id = $1`, [agentId]);
    expect(await agentOf(id)).toMatchObject({ version: '1' });
    await pool.query('delete from agents where id = $1', [agentId]);
    expect(await agentOf(id)).toBeUndefined();
    expect(await readRunnableInstance(pool, id)).toMatchObject({ agentId, row: { generation: 1, sequence: 1 } });
  });
});

test('a control queue is kept for an instance whose running version listens', async () => {
  const agentId = await publishAgent({ control: true });
  await publish(agentId, '2', { control: false });
  const [listening, silent, switching] = [
    await insertInstance(agentId),
    await insertInstance(agentId),
    await insertInstance(agentId),
  ];
  await choose(silent, '2');
  for (const id of [listening, switching]) await record(id, 'running');
  await pool.query(`select record_instance_status($1, 'running', 2, null, null)`, [silent]);
  await choose(switching, '2');
  const listens = new Map<string, boolean>();
  for await (const page of readSweptRows(pool, 0)) for (const row of page) listens.set(row.id, row.listens);
  expect([listening, silent, switching].map((id) => listens.get(id))).toEqual([true, false, true]);
});

test('a drained host moves its instances to hosts that can run their versions', async () => {
  const host = await openHost({ labels: { disk: 'ssd' } });
  const agentId = await publishAgent({ host_labels: { disk: 'ssd' } });
  await publish(agentId, '2', {});
  const [needs, goes] = [await insertInstance(agentId), await insertInstance(agentId)];
  await choose(goes, '2');
  for (const id of [needs, goes]) await place(id);
  await openHost({ name: 'bert' });
  await drainHost(pool, host.id, 10);
  expect([await beginMove(pool), await beginMove(pool)]).toEqual([true, false]);
  const { rows } = await pool.query('select instance_id as id from moves');
  expect(rows).toEqual([{ id: goes }]);
  const drained = (await listHosts(pool)).find(({ id }) => id === host.id);
  expect(drained).toMatchObject({ drain: { moving: 1, waiting: 1, left: 2 } });
});

test('an instance is shown with the version that it is to run, the one that runs, and the stable one', async () => {
  const agentId = await publishAgent();
  const id = await insertInstance(agentId);
  const view = () => readInstanceView(pool, id);
  expect(await view()).toMatchObject({
    agent_version: '1',
    running_version: null,
    stable_version: '1',
    outdated: false,
  });
  await record(id, 'running');
  await publish(agentId, '2', { kind: 'container' });
  expect(await view()).toMatchObject({
    agent_version: '1',
    stable_version: '1',
    agent_runtime: 'process',
    outdated: false,
  });
  await pool.query(`update agents set stable_version = '2' where id = $1`, [agentId]);
  expect(await view()).toMatchObject({
    agent_version: '1',
    stable_version: '2',
    outdated: true,
    version_policy: 'follow',
  });
  await pool.query(`update instances set agent_version = '2', version_policy = 'hold' where id = $1`, [id]);
  expect(await view()).toMatchObject({
    agent_version: '2',
    running_version: '1',
    agent_runtime: 'container',
    outdated: false,
    version_policy: 'hold',
  });
  await pool.query('delete from agents where id = $1', [agentId]);
  expect(await view()).toMatchObject({
    agent_version: null,
    stable_version: null,
    agent_runtime: null,
    outdated: false,
  });
});
