import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openRig, type Rig } from '../support/rig.ts';

let rig: Rig;
let agentId: string;

beforeAll(async () => {
  rig = await openRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' } });
  await rig.startAll();
  agentId = await rig.publishAgent();
});

afterAll(() => rig.close());

/** As if the last change of the row were long ago: the sweeper leaves alone what is still being worked on. */
const age = (id: string) =>
  rig.pool.query(
    `begin; set local session_replication_role = replica;
     update instances set updated_at = now() - interval '1 hour' where id = '${id}'; commit`,
  );
const statusOf = async (id: string) => (await rig.workflow(id).describe()).status.name;

test('a workflow that was terminated is started again, and takes its agent over', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const before = await rig.processes(id);
  await rig.workflow(id).terminate('by hand');
  await age(id);
  await vi.waitFor(async () => expect(await statusOf(id)).toBe('RUNNING'), { timeout: 30_000 });
  expect(await rig.processes(id)).toEqual(before);
  await rig.deleteInstance(id);
  await rig.bus.until(id, 'instance.updated', 'stopped');
});

test('a row whose event never came is provisioned all the same', async () => {
  const id = randomUUID();
  await rig.pool.query(
    `begin; set local session_replication_role = replica;
     insert into instances (id, agent_id, user_id, sequence, updated_at)
     values ('${id}', '${agentId}', '${randomUUID()}', 1, now() - interval '1 hour'); commit`,
  );
  await vi.waitFor(async () => expect(await rig.processes(id)).toHaveLength(1), { timeout: 30_000 });
});

test('an agent that belongs to nobody is ended', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  await rig.workflow(id).terminate('by hand');
  await rig.pool.query(
    `begin; set local session_replication_role = replica; delete from instances where id = '${id}'; commit`,
  );
  await vi.waitFor(async () => expect(await rig.processes(id)).toEqual([]), { timeout: 30_000 });
});

test('a workflow whose row is gone without an event cleans up and ends', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  await rig.pool.query(
    `begin; set local session_replication_role = replica; delete from instances where id = '${id}'; commit`,
  );
  await vi.waitFor(async () => expect(await statusOf(id)).toBe('COMPLETED'), { timeout: 30_000 });
  expect(await rig.processes(id)).toEqual([]);
});
