import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { pino } from 'pino';
import type { FatalError } from '../../supervision/errors.ts';
import { queueNames } from '../../contracts/names.ts';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { resetStack } from '../../stack/stack.ts';
import { startTemporal } from '../../stack/temporal.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { startAgentsWorker } from '../../workers/services/agents-worker.ts';
import { startEngineClaim } from '../../workers/services/engine-claim.ts';
import { startUserBackend } from '../support/backends.ts';
import { runInstances } from '../support/command-line.ts';
import { one, openRig, type Rig } from '../support/rig.ts';
import { openTestPool } from '../support/test-pool.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

/** Starts agents_worker of an engine with other settings on the same database, and resolves with what ends it. */
async function refusalOf(settings: Record<string, string>): Promise<FatalError> {
  const fatal: FatalError[] = [];
  const service = await startAgentsWorker({
    configuration: readConfiguration({ ...rig.environmentOf('agents_worker'), ...settings }),
    logger: pino({ level: 'silent' }),
    onFatal: (error) => fatal.push(error),
  });
  try {
    await vi.waitUntil(() => fatal.length > 0, { timeout: 20_000 });
  } finally {
    await service.stop();
  }
  return fatal[0] as FatalError;
}

test('a second engine on the database of another is refused, and runs nothing', async () => {
  await rig.startAll();
  const agentId = await rig.publishAgent();
  const id = await rig.insertInstance(agentId);
  await vi.waitUntil(async () => (await rig.processes(id)).length === 1, { timeout: 30_000 });
  for (const other of [{ TASK_QUEUE: 'another' }, { TEMPORAL_NAMESPACE: 'another' }]) {
    const { message } = await refusalOf(other);
    expect(message).toContain(`TASK_QUEUE=${rig.environment.TASK_QUEUE}`);
    expect(message).toContain(Object.entries(other)[0]?.join('='));
    expect(message).toContain('delete from engine');
  }
  expect(await rig.processes(id)).toHaveLength(1);
  expect(rig.fatal).toEqual([]);
});

test('the same engine starts again, also beside itself, and another one once it was moved', async () => {
  await rig.startEventBroker();
  const first = await rig.startAgentsWorker();
  await first.ready();
  const second = await rig.startAgentsWorker();
  await second.ready();
  await Promise.all([first.stop(), second.stop()]);
  await rig.pool.query('delete from engine');
  await rig.pool.query(`insert into engine (namespace, task_queue) values ('default', 'moved')`);
  expect((await refusalOf({})).message).toContain('TASK_QUEUE=moved');
});

test('of two that start at once on a new database, one is refused', async () => {
  const fatal: string[] = [];
  const pool = openTestPool({ connectionString: rig.environmentOf('agents_worker').DATABASE_URL, max: 4 });
  const claims = ['one', 'other'].map((taskQueue) =>
    startEngineClaim({
      pool,
      client: rig.client,
      taskQueue,
      logger: pino({ level: 'silent' }),
      onFatal: (error) => fatal.push(error.message),
    }),
  );
  await vi.waitUntil(() => fatal.length === 1 && claims.some(({ health }) => health.ready));
  expect(claims.filter(({ health }) => health.ready)).toHaveLength(1);
  expect((await rig.pool.query('select from engine')).rowCount).toBe(1);
  await Promise.all(claims.map((claim) => claim.stop()));
  await pool.end();
});

test('an engine that works ends once the database was given to another', async () => {
  const fatal: string[] = [];
  const claim = startEngineClaim({
    pool: rig.pool,
    client: rig.client,
    taskQueue: 'one',
    logger: pino({ level: 'silent' }),
    intervalMs: 20,
    onFatal: (error) => fatal.push(error.message),
  });
  await claim.made;
  await rig.pool.query(`update engine set namespace = 'elsewhere'`);
  await vi.waitUntil(() => fatal.length === 1);
  expect(fatal[0]).toContain('TEMPORAL_NAMESPACE=elsewhere');
  await claim.stop();
});

test('nothing begins while Temporal cannot say which namespace it is', async () => {
  await (await rig.startEventBroker()).ready();
  const nobody = `127.0.0.1:${(await choosePorts('free')).temporal}`;
  const agentId = await rig.publishAgent();
  const service = await startAgentsWorker({
    configuration: readConfiguration({ ...rig.environmentOf('agents_worker'), TEMPORAL_ADDRESS: nobody }),
    logger: pino({ level: 'silent' }),
    onFatal: (error) => rig.fatal.push(error),
  });
  try {
    await rig.insertInstance(agentId);
    const answer = await vi.waitUntil(
      async () => {
        const response = await fetch(`http://127.0.0.1:${service.healthPort}/ready`);
        const text = await response.text();
        return text.includes('cannot be used') && { status: response.status, text };
      },
      { timeout: 20_000 },
    );
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('TEMPORAL_ADDRESS');
    expect(answer.text).not.toMatch(/control_plane|agents_worker|temporal_worker|sweep/);
    expect((await rig.bus.channel.checkQueue(queueNames.agentsWorkerInstance)).consumerCount).toBe(0);
    expect((await rig.pool.query('select from engine')).rowCount).toBe(0);
  } finally {
    await service.stop();
  }
});

test('a namespace that is not there is named, and not written down', async () => {
  expect((await refusalOf({ TEMPORAL_NAMESPACE: 'nowhere' })).message).toContain('Create the namespace');
  expect((await rig.pool.query('select from engine')).rowCount).toBe(0);
});

describe('of a cluster of Temporal with namespaces of the same names', () => {
  let other: Awaited<ReturnType<typeof startTemporal>>;
  const directory = join(stackRoot, 'another-cluster');
  beforeAll(async () => {
    await resetStack(directory);
    other = await startTemporal({ directory, toolsDirectory, ports: await choosePorts('free') });
  });
  afterAll(async () => {
    await other?.stop();
    await resetStack(directory);
  });

  test('an engine is refused; at another address of the same cluster it goes on', async () => {
    await rig.startAll();
    const { message } = await refusalOf({ TEMPORAL_ADDRESS: other.address });
    expect(message).toContain('another Temporal');
    expect(message).toContain('delete from engine');
    const address = rig.environment.TEMPORAL_ADDRESS.replace('127.0.0.1', 'localhost');
    expect(address).not.toBe(rig.environment.TEMPORAL_ADDRESS);
    const service = await startAgentsWorker({
      configuration: readConfiguration({ ...rig.environmentOf('agents_worker'), TEMPORAL_ADDRESS: address }),
      logger: pino({ level: 'silent' }),
      onFatal: (error) => rig.fatal.push(error),
    });
    await service.ready();
    await service.stop();
    expect(rig.fatal).toEqual([]);
  });

  test('a retry is refused by user_backend and the command line, as in another namespace or on another task queue', async () => {
    await rig.startAll();
    const userId = randomUUID();
    const agentId = await rig.publishAgent({ command: ['false'] });
    const { rows } = await rig.pool.query<{ id: string }>(
      'insert into instances (agent_id, user_id) values ($1, $2) returning id',
      [agentId, userId],
    );
    const { id } = one(rows);
    const statusOf = async () =>
      (await rig.pool.query<{ status: string }>('select status from instances where id = $1', [id])).rows[0]?.status;
    await vi.waitUntil(async () => (await statusOf()) === 'failed', { timeout: 30_000 });

    const others = [
      { TEMPORAL_ADDRESS: other.address },
      { TEMPORAL_NAMESPACE: 'another' },
      { TASK_QUEUE: 'another' },
    ] satisfies Record<string, string>[];
    for (const settings of others) {
      const backend = await startUserBackend(rig, settings);
      try {
        const { api } = await backend.user({ userId });
        const answer = await api('POST', `/v1/instances/${id}/retry`);
        expect(answer).toMatchObject({ status: 503, body: { code: 'another_engine' } });
        expect(JSON.stringify(answer.body)).not.toContain(rig.environment.TASK_QUEUE);
        expect(JSON.stringify(backend.log)).toContain('The engine of this database has');
      } finally {
        await backend.stop();
      }
      expect(await runInstances(['retry', id], { ...rig.environment, ...settings })).toMatchObject({
        code: 1,
        errors: expect.stringContaining('The engine of this database has'),
      });
    }

    const { TASK_QUEUE: _, ...withoutTaskQueue } = rig.environment;
    expect(await runInstances(['retry', id], withoutTaskQueue)).toMatchObject({ code: 0 });
    expect(await statusOf()).toBeDefined();
  });
});
