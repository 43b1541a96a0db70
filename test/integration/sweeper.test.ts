import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { outline } from '../support/bus.ts';
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
const age = (id: string, { pool } = rig) =>
  pool.query(
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

test('with the engine of containers away, everything else is compared all the same, and the log says so', async () => {
  const away = await openRig({
    settings: { SWEEP_INTERVAL_SECONDS: '1', DOCKER_HOST: 'unix:///no/such/docker.sock' },
  });
  try {
    await away.startAll();
    const agent = await away.publishAgent();
    const [kept, lost] = await Promise.all([away.insertInstance(agent), away.insertInstance(agent)]);
    await Promise.all([kept, lost].map((id) => away.bus.until(id, 'instance.updated', 'running')));
    const before = await away.processes(kept);
    await away.workflow(lost).terminate('by hand');
    await Promise.all([kept, lost].map((id) => age(id, away)));
    await vi.waitFor(async () => expect((await away.workflow(lost).describe()).status.name).toBe('RUNNING'), {
      timeout: 30_000,
    });
    expect(away.log).toContainEqual(
      expect.objectContaining({ runtime: 'docker', msg: expect.stringContaining('a runtime cannot be listed') }),
    );
    expect(await away.processes(kept)).toEqual(before);
    expect(outline(away.bus.of(kept))).toBe('instance.created pending, instance.updated running');
  } finally {
    await away.close();
  }
});

test('an idle instance costs nothing: its history stands still, sweep after sweep', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const atRest = await vi.waitFor(async () => {
    const { historyLength, raw } = await rig.workflow(id).describe();
    expect(raw.pendingWorkflowTask ?? null).toBeNull();
    return historyLength;
  });
  const sweeps = async () =>
    (await rig.client.schedule.getHandle(`sweeper/${rig.environment.TASK_QUEUE}`).describe()).info.numActionsTaken;
  const before = await sweeps();
  await vi.waitFor(async () => expect(await sweeps()).toBeGreaterThanOrEqual(before + 3), { timeout: 30_000 });
  expect((await rig.workflow(id).describe()).historyLength).toBe(atRest);
});
