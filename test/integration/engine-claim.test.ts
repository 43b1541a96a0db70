import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import pg from 'pg';
import { pino } from 'pino';
import { FatalError } from '../../bridge/supervise.ts';
import { readConfiguration } from '../../workers/configuration.ts';
import { startAgentsWorker } from '../../workers/services/agents-worker.ts';
import { startEngineClaim } from '../../workers/services/engine-claim.ts';
import { openRig, type Rig } from '../support/rig.ts';

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
  const pool = new pg.Pool({ connectionString: rig.environmentOf('agents_worker').DATABASE_URL, max: 4 });
  pool.on('error', () => undefined);
  const claims = ['one', 'other'].map((taskQueue) =>
    startEngineClaim({
      pool,
      namespace: 'default',
      taskQueue,
      logger: pino({ level: 'silent' }),
      onFatal: (error) => fatal.push(error.message),
    }),
  );
  await vi.waitUntil(() => fatal.length === 1 && claims.some(({ health }) => health.ready));
  await Promise.all(claims.map((claim) => claim.stop()));
  await pool.end();
});

test('an engine that works ends once the database was given to another', async () => {
  const fatal: string[] = [];
  const options = { pool: rig.pool, namespace: 'default', logger: pino({ level: 'silent' }), intervalMs: 20 };
  const onFatal = (error: FatalError): void => void fatal.push(error.message);
  const worker = startEngineClaim({ ...options, taskQueue: 'one', onFatal });
  const backend = startEngineClaim({ ...options, onFatal });
  await Promise.all([worker.made, backend.made]);
  await rig.pool.query(`update engine set namespace = 'elsewhere'`);
  await vi.waitUntil(() => fatal.length === 2);
  await Promise.all([worker.stop(), backend.stop()]);
});
