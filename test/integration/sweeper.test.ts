import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { outline } from '../support/bus.ts';
import { openRig, useRig } from '../support/rig.ts';

const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' }, services: ['event_broker', 'agents_worker'] });
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

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

test('a row that says pending although its agent runs says running again, and the agent goes on', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const before = await rig.processes(id);
  await rig.pool.query(
    `begin; set local session_replication_role = replica; update instances set status = 'pending' where id = '${id}'; commit`,
  );
  await age(id);
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query('select status from instances where id = $1', [id]);
    expect(rows).toEqual([{ status: 'running' }]);
  });
  expect(await rig.processes(id)).toEqual(before);
});

/** Changes an agent as if the event about it had been lost on the way. */
const withoutEvent = (statement: string) =>
  rig.pool.query(
    `begin; alter table agents disable trigger agents_notify; ${statement}; alter table agents enable trigger agents_notify; commit`,
  );

test('instances that wait for an agent run once it is published, although its event was lost', async () => {
  const missing = randomUUID();
  const ids = [await rig.insertInstance(missing), await rig.insertInstance(missing)];
  for (const id of ids) {
    await vi.waitFor(
      async () => {
        const { rows } = await rig.pool.query('select metadata from instances where id = $1', [id]);
        expect(rows).toMatchObject([{ metadata: { status_reason: { code: 'agent_unknown' } } }]);
      },
      { timeout: 30_000 },
    );
    await age(id);
  }
  await withoutEvent(
    `insert into agents (id, name, version, runtime) select '${missing}', name, version, runtime from agents where id = '${agentId}'`,
  );
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
});

test('instances of an agent whose retirement asked for their end are drained, although its event was lost', async () => {
  const [drained, kept] = [await rig.publishAgent(), await rig.publishAgent()];
  const [ends, goesOn] = [await rig.insertInstance(drained), await rig.insertInstance(kept)];
  for (const id of [ends, goesOn]) {
    await rig.bus.until(id, 'instance.updated', 'running');
    await age(id);
  }
  await withoutEvent(
    `update agents set retired_at = now(), drain = id = '${drained}' where id in ('${drained}', '${kept}')`,
  );
  const { body } = await rig.bus.until(ends, 'instance.updated', 'stopped');
  expect(body).toMatchObject({ metadata: { status_reason: { code: 'agent_retired' } } });
  expect(await rig.processes(ends)).toEqual([]);
  expect(await rig.processes(goesOn)).toHaveLength(1);
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
      expect.objectContaining({
        msg: expect.stringContaining('host_docker cannot do its work'),
        error: expect.stringContaining('unix:///no/such/docker.sock'),
      }),
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
    expect([raw.pendingWorkflowTask ?? null, raw.pendingActivities ?? []]).toEqual([null, []]);
    return historyLength;
  });
  const sweeps = async () =>
    (await rig.client.schedule.getHandle(`sweeper/${rig.environment.TASK_QUEUE}`).describe()).info.numActionsTaken;
  const before = await sweeps();
  await vi.waitFor(async () => expect(await sweeps()).toBeGreaterThanOrEqual(before + 3), { timeout: 30_000 });
  expect((await rig.workflow(id).describe()).historyLength).toBe(atRest);
});

test('rows that changed a moment ago are told nothing, whatever they say', async () => {
  const id = randomUUID();
  await rig.pool.query(
    `begin; set local session_replication_role = replica;
     insert into instances (id, agent_id, user_id, sequence) values ('${id}', '${agentId}', '${randomUUID()}', 1); commit`,
  );
  const sweeps = async () =>
    (await rig.client.schedule.getHandle(`sweeper/${rig.environment.TASK_QUEUE}`).describe()).info.numActionsTaken;
  const before = await sweeps();
  await vi.waitFor(async () => expect(await sweeps()).toBeGreaterThanOrEqual(before + 3), { timeout: 30_000 });
  await expect(rig.workflow(id).describe()).rejects.toThrow('not found');
  await age(id);
  await vi.waitFor(async () => expect(await rig.processes(id)).toHaveLength(1), { timeout: 30_000 });
});
