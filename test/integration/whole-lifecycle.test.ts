import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { instanceMessageSignal } from '../../workflows/messages.ts';
import { outline } from '../support/bus.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

const reasonOf = async (id: string) => {
  const { rows } = await rig.pool.query<{ code: string; message: string }>(
    `select metadata->'status_reason'->>'code' as code, metadata->'status_reason'->>'message' as message
     from instances where id = $1`,
    [id],
  );
  return rows[0];
};
const want = (id: string, desiredState: string) =>
  rig.pool.query('update instances set desired_state = $2 where id = $1', [id, desiredState]);
const configure = (id: string, config: object) =>
  rig.pool.query('update instances set config = $2 where id = $1', [id, config]);
const processCount = async (id: string) => (await rig.processes(id)).length;

describe('the desired state', () => {
  test('stopped ends the agent and keeps the row; running starts it again', async () => {
    const id = await rig.insertInstance(agentId);
    await rig.bus.until(id, 'instance.updated', 'running');
    await want(id, 'stopped');
    await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(await rig.processes(id)).toEqual([]);

    const seen = rig.bus.of(id).length;
    await want(id, 'running');
    await vi.waitFor(() => expect(outline(rig.bus.of(id).slice(seen))).toMatch(/running$/), { timeout: 20_000 });
    await vi.waitFor(async () => expect(await processCount(id)).toBe(1));
  });

  test('a changed config runs the agent anew', async () => {
    const id = await rig.insertInstance(agentId, { version: 1 });
    await rig.bus.until(id, 'instance.updated', 'running');
    const [before] = await rig.processes(id);
    await configure(id, { version: 2 });
    await vi.waitFor(async () => {
      const { rows } = await rig.pool.query<{ status: string; observed: string }>(
        'select status, observed_generation as observed from instances where id = $1',
        [id],
      );
      expect(rows).toEqual([{ status: 'running', observed: '2' }]);
    });
    const after = await rig.processes(id);
    expect(after).toHaveLength(1);
    expect(after[0]).not.toBe(before);
  });

  test('a row inserted as stopped is never provisioned', async () => {
    const { rows } = await rig.pool.query<{ id: string }>(
      `insert into instances (agent_id, user_id, desired_state) values ($1, $2, 'stopped') returning id`,
      [agentId, randomUUID()],
    );
    const id = rows[0]?.id ?? '';
    await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(outline(rig.bus.of(id))).toBe('instance.created pending, instance.updated stopped');
  });
});

describe('an agent that ends', () => {
  test('without a restart policy makes its instance failed, and a retry runs it again', async () => {
    const once = await rig.publishAgent({
      command: ['sh', '-c', 'test -e ../again || { touch ../again; sleep 0.3; exit 7; }; exec sleep 1000'],
    });
    const id = await rig.insertInstance(once);
    await rig.bus.until(id, 'instance.updated', 'failed');
    expect(await reasonOf(id)).toMatchObject({ code: 'agent_exited', message: expect.stringContaining('exit code 7') });
  });

  test('on failure is restarted up to its limit', async () => {
    const starts = join(rig.environment.RUNTIME_DIRECTORY, 'starts');
    const countStarts = async () => (await readFile(starts, 'utf8')).length;
    const flaky = await rig.publishAgent({
      command: ['sh', '-c', 'echo >> "$STARTS"; sleep 0.2; exit 3'],
      environment: { STARTS: starts },
      restart: { policy: 'on_failure', max_restarts: 2, backoff_seconds: 0.1 },
    });
    const id = await rig.insertInstance(flaky);
    const failed = await rig.bus.until(id, 'instance.updated', 'failed');
    expect(await reasonOf(id)).toMatchObject({ code: 'agent_exited' });
    expect(JSON.stringify(failed.body)).toContain('restarted 2 times');
    expect(await countStarts()).toBe(3);

    await rig.workflow(id).signal(instanceMessageSignal, { type: 'retryRequested', requestId: randomUUID() });
    await vi.waitFor(async () => expect(await countStarts()).toBeGreaterThan(3));
  });

  test('with exit code 0 is restarted only by the policy always', async () => {
    const restart = { max_restarts: 1, backoff_seconds: 0.05 };
    const command = ['sh', '-c', 'sleep 0.2'];
    const [onFailure, always] = await Promise.all([
      rig.publishAgent({ command, restart: { ...restart, policy: 'on_failure' } }),
      rig.publishAgent({ command, restart: { ...restart, policy: 'always' } }),
    ]);
    const [a, b] = await Promise.all([rig.insertInstance(onFailure), rig.insertInstance(always)]);
    const failed = await Promise.all([a, b].map((id) => rig.bus.until(id, 'instance.updated', 'failed')));
    const restarted = failed.map(({ body }) => JSON.stringify(body).includes('It was restarted 1 times'));
    expect(restarted).toEqual([false, true]);
  });
});

describe('agents', () => {
  test('an instance of an unknown agent waits as pending, with a reason, for its publication', async () => {
    const agent = randomUUID();
    const id = await rig.insertInstance(agent);
    await vi.waitFor(async () => expect(await reasonOf(id)).toMatchObject({ code: 'agent_unknown' }));
    await rig.pool.query(`insert into agents (id, name, version, runtime) values ($1, 'late', '1', $2)`, [
      agent,
      { kind: 'process', command: ['sleep', '100000'] },
    ]);
    await rig.bus.until(id, 'instance.updated', 'running');
    expect(await reasonOf(id)).toMatchObject({ code: null });
  });

  test('an instance whose agent is a container waits where no worker has an engine, and can be deleted', async () => {
    const id = await rig.insertInstance(await rig.publishAgent({ kind: 'docker', image: 'heartbeat:1' }));
    const message =
      'No host runs agents of the kind docker: start an agents_worker with the settings that this kind needs.';
    await vi.waitFor(async () => expect(await reasonOf(id)).toEqual({ code: 'no_host', message }));
    await rig.deleteInstance(id);
    await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(outline(rig.bus.of(id))).not.toContain('failed');
  });

  test('an instance of a retired agent fails with a reason; those that run go on', async () => {
    const agent = await rig.publishAgent();
    const old = await rig.insertInstance(agent);
    await rig.bus.until(old, 'instance.updated', 'running');
    await rig.pool.query('update agents set retired_at = now() where id = $1', [agent]);
    await rig.bus.until(agent, 'agent.retired');
    const late = await rig.insertInstance(agent);
    await rig.bus.until(late, 'instance.updated', 'failed');
    expect(await reasonOf(late)).toMatchObject({ code: 'agent_retired' });
    expect(await rig.processes(late)).toEqual([]);
    expect(await processCount(old)).toBe(1);
  });

  test.each([true, false])(
    'an instance whose row is committed after the retirement of its agent was handled fails (drain: %s)',
    async (drain) => {
      const agent = await rig.publishAgent();
      const witness = await rig.insertInstance(agent);
      await rig.bus.until(witness, 'instance.updated', 'running');
      const late = await rig.connect();
      await late.query('begin');
      const { rows } = await late.query<{ id: string }>(
        'insert into instances (agent_id, user_id) values ($1, $1) returning id',
        [agent],
      );
      const id = rows[0]?.id ?? '';
      await rig.pool.query('update agents set retired_at = now(), drain = $2 where id = $1', [agent, drain]);
      await rig.bus.until(agent, 'agent.retired');
      await vi.waitFor(async () =>
        expect(await rig.bus.channel.checkQueue('agents_worker.agent')).toMatchObject({ messageCount: 0 }),
      );
      // A retirement that drains was handled once the instances that it found are drained; any other concerns no instance.
      if (drain) await rig.bus.until(witness, 'instance.updated', 'stopped');
      await late.query('commit');
      await rig.bus.until(id, 'instance.updated', 'failed');
      expect(await reasonOf(id)).toMatchObject({ code: 'agent_retired' });
      expect(await rig.processes(id)).toEqual([]);
    },
  );

  test('a retirement that says drain stops those that run', async () => {
    const agent = await rig.publishAgent();
    const id = await rig.insertInstance(agent);
    await rig.bus.until(id, 'instance.updated', 'running');
    await rig.pool.query('update agents set retired_at = now(), drain = true where id = $1', [agent]);
    await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(await reasonOf(id)).toMatchObject({ code: 'agent_retired' });
    expect(await rig.processes(id)).toEqual([]);
  });
});
