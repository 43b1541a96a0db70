import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { startControlPlane } from '../../bridge/control-plane/control-plane.ts';
import { controlQueueName } from '../../contracts/names.ts';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';
import { openControl, type Control } from '../support/control.ts';
import { expectDocumented } from '../support/documented-message.ts';
import { one as only, useRig } from '../support/rig.ts';
import type { Service } from '../../workers/services/service.ts';

const command = { headersSchema: 'headers.command', appId: 'agents_worker' } as const;

/** Longer than any agent takes to read its command on a busy machine: only the last test waits for it, and shortens it before. */
const settings = { SWEEP_INTERVAL_SECONDS: '1', CONTROL_HEAD_START_SECONDS: '60' };
const rig = useRig({ settings });
let control: Control;
let worker: Service;

beforeAll(async () => {
  control = openControl(rig, inject('servers').managementUrl);
  const broker = await rig.startEventBroker();
  worker = await rig.startAgentsWorker();
  await Promise.all([broker.ready(), worker.ready()]);
});

const runListening = async (agentId: string): Promise<string> => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  await control.untilListening(controlQueueName(id));
  return id;
};
const stop = async (id: string): Promise<void> => {
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
  await rig.bus.until(id, 'instance.updated', 'stopped');
};
const typesTold = async (id: string): Promise<string[]> => (await control.told(id)).map(({ type }) => type);
const observedGeneration = async (id: string) => {
  const { rows } = await rig.pool.query<{ status: string; observed_generation: string }>(
    'select status, observed_generation from instances where id = $1',
    [id],
  );
  return rows[0];
};

describe('a command', () => {
  test('to one instance reaches it alone, in the documented form', async () => {
    const agentId = await control.publishAgent();
    const [one, other] = await Promise.all([runListening(agentId), runListening(agentId)]);
    const published = await control.tap(one);
    await stop(one);
    expect(await typesTold(one)).toEqual(['started', 'instance.stop']);
    expect(await typesTold(other)).toEqual(['started']);

    const message = only(published);
    expect(expectDocumented(message, command)).toMatchObject({ instance_id: one, reason: 'stopped' });
    expect(message.fields).toMatchObject({ exchange: 'agents.direct', routingKey: one });
    const wish = rig.bus.of(one).find(({ headers: { desired_state } }) => desired_state === 'stopped');
    expect(message.properties.headers).toMatchObject({
      'cloudEvents:type': 'instance.stop',
      'cloudEvents:subject': one,
      'cloudEvents:causationid': wish?.id,
      'cloudEvents:correlationid': wish?.headers['cloudEvents:correlationid'],
      schema_version: 1,
    });
  });

  test('to an agent is one message that reaches all of its instances, and nobody else', async () => {
    const [agentId, otherAgent] = await Promise.all([control.publishAgent(), control.publishAgent()]);
    const drained = await Promise.all([1, 2, 3].map(() => runListening(agentId)));
    const other = await runListening(otherAgent);
    const published = await control.tap(agentId);
    await rig.pool.query('update agents set retired_at = now(), drain = true where id = $1', [agentId]);
    for (const id of drained) {
      await rig.bus.until(id, 'instance.updated', 'stopped');
      expect(await typesTold(id)).toEqual(['started', 'instance.drain', 'instance.stop']);
      expect((await control.told(id)).at(-1)?.body).toMatchObject({ reason: 'agent_retired' });
    }
    expect(await typesTold(other)).toEqual(['started']);
    expect(expectDocumented(only(published), command)).toEqual({ agent_id: agentId, reason: 'agent_retired' });
    expect(only(published).properties.headers).toMatchObject({
      'cloudEvents:type': 'instance.drain',
      'cloudEvents:subject': agentId,
    });
  });
});

describe('a graceful stop', () => {
  test('of an agent that ends by itself is over at once, and is no failure', async () => {
    const id = await runListening(await control.publishAgent({ onStop: 'end' }));
    await rig.deleteInstance(id);
    await rig.workflow(id).result();
    const told = await control.told(id);
    expect(told.map(({ type }) => type)).toEqual(['started', 'instance.stop']);
    expect(told.at(-1)?.body).toMatchObject({ reason: 'deleted' });
    expect(rig.bus.of(id).some(({ body }) => body['status'] === 'failed')).toBe(false);
  });

  test('of a replaced agent is not seen by the one that replaces it', async () => {
    const id = await runListening(await control.publishAgent());
    await rig.pool.query(`update instances set config = '{"version": 2}' where id = $1`, [id]);
    await vi.waitFor(
      async () => expect(await observedGeneration(id)).toEqual({ status: 'running', observed_generation: '2' }),
      { timeout: 60_000 },
    );
    await control.untilListening(controlQueueName(id));
    expect(await typesTold(id)).toEqual(['started', 'instance.stop', 'started']);
    expect((await control.told(id))[1]?.body).toMatchObject({ reason: 'replaced' });
  });
});

describe('the control queue', () => {
  test('is there for agents that listen alone, and goes with the clean-up', async () => {
    const deaf = await rig.insertInstance(await rig.publishAgent());
    const stopped = await runListening(await control.publishAgent());
    const deleted = await runListening(await control.publishAgent());
    await rig.bus.until(deaf, 'instance.updated', 'running');
    const queues = await control.queues();
    expect(queues).toEqual(expect.arrayContaining([controlQueueName(stopped), controlQueueName(deleted)]));
    expect(queues).not.toContain(controlQueueName(deaf));

    await Promise.all([stop(stopped), rig.deleteInstance(deleted)]);
    await rig.workflow(deleted).result();
    const left = await control.queues();
    expect(left).not.toContain(controlQueueName(stopped));
    expect(left).not.toContain(controlQueueName(deleted));
  });

  test('follows the instance to another agent', async () => {
    const [before, after] = await Promise.all([control.publishAgent(), control.publishAgent()]);
    const id = await runListening(before);
    expect(await control.keysOf(controlQueueName(id))).toEqual([id, before].toSorted());
    await rig.pool.query('update instances set agent_id = $2 where id = $1', [id, after]);
    await vi.waitFor(async () => expect(await control.keysOf(controlQueueName(id))).toEqual([id, after].toSorted()), {
      timeout: 60_000,
    });
  });

  test('stays as it is, with what is in it, when a running instance is provisioned again', async () => {
    const id = await rig.insertInstance(await rig.publishAgent({ control: true }));
    await rig.bus.until(id, 'instance.updated', 'running');
    const [agent] = await rig.processes(id);
    await rig.bus.publish('agents.direct', id, '{}');
    await rig.workflow(id).terminate('by hand');
    await rig.pool.query(
      `begin; set local session_replication_role = replica;
       update instances set updated_at = now() - interval '1 hour' where id = '${id}'; commit`,
    );
    await vi.waitFor(
      async () => {
        expect((await rig.workflow(id).describe()).status.name).toBe('RUNNING');
        expect(await rig.workflow(id).query(instanceStateQuery)).toMatchObject({ runtime: { kind: 'running' } });
      },
      { timeout: 30_000 },
    );
    expect(await rig.processes(id)).toEqual([agent]);
    expect(await rig.bus.channel.checkQueue(controlQueueName(id))).toMatchObject({ messageCount: 1 });
  });
});

test('what removes queues that are not used leaves one alone that an agent listens to', async () => {
  const id = await runListening(await control.publishAgent());
  const queue = controlQueueName(id);
  const { AMQP_URL: amqpUrl } = rig.environmentOf('agents_worker');
  const plane = startControlPlane({
    amqpUrl,
    logger: pino({ level: 'silent' }),
    onFatal: (error) => rig.fatal.push(error),
    headStartMs: 0,
  });
  try {
    await vi.waitFor(() => expect(plane.health.ready).toBe(true));
    await plane.removeUnusedQueue(id);
    expect(await rig.bus.channel.checkQueue(queue)).toMatchObject({ consumerCount: 1 });
    await stop(id);
    const unused = { instanceId: randomUUID(), agentId: randomUUID() };
    await plane.openQueue(unused);
    await plane.removeUnusedQueue(unused.instanceId);
    await plane.removeUnusedQueue(unused.instanceId);
    expect(await control.queues()).not.toContain(controlQueueName(unused.instanceId));
  } finally {
    await plane.stop();
  }
});

test('SIGTERM follows the command to an agent that goes on, and not before the deadline that the command names', async () => {
  await worker.stop();
  settings.CONTROL_HEAD_START_SECONDS = '1';
  worker = await rig.startAgentsWorker();
  await worker.ready();
  const id = await runListening(await control.publishAgent({ onStop: 'stay' }));
  const published = await control.tap(id);
  await stop(id);
  // How soon the agent reads its command is the machine's affair.
  const terminated = (await control.told(id)).find(({ type }) => type === 'SIGTERM');
  const { deadline } = expectDocumented(only(published), command) as { deadline: string };
  expect((terminated?.at ?? 0) - Date.parse(deadline)).toBeGreaterThanOrEqual(0);
});
