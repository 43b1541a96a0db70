import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import { expect, test, vi } from 'vitest';
import { migrate } from '../../database/migrate.ts';
import { useRig } from '../support/rig.ts';

const dir = fileURLToPath(new URL('../../database/migrations', import.meta.url));
const newer = readdirSync(dir).filter((file) => file >= '0060').length;

const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' } });

/** What a row was before its agent had versions. */
const readRows = async () => {
  const { rows } = await rig.pool.query(
    `select id, status, desired_state, generation, observed_generation, sequence, config, updated_at, host_id
     from instances order by id`,
  );
  const { rows: log } = await rig.pool.query(
    'select id, event_id, published_at is null as waiting from event_log order by id',
  );
  return { rows, log };
};

test('a database of the release before versions is migrated with running instances on it, and nothing restarts', async () => {
  const services = await Promise.all([rig.startEventBroker(), rig.startAgentsWorker()]);
  await Promise.all(services.map((service) => service.ready()));
  const agentId = await rig.publishAgent();
  const late = await rig.publishAgent({ command: ['sh', '-c', 'exit 3'] });
  const running = await Promise.all([1, 2, 3].map((round) => rig.insertInstance(agentId, { round })));
  const [stopped, failed] = [await rig.insertInstance(agentId), await rig.insertInstance(late)];
  const ids = [...running, stopped, failed];
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [stopped]);
  for (const id of running) await rig.bus.until(id, 'instance.updated', 'running');
  await rig.bus.until(stopped, 'instance.updated', 'stopped');
  await rig.bus.until(failed, 'instance.updated', 'failed');
  await rig.untilBusIsQuiet();
  const processesOf = () => Promise.all(ids.map((id) => rig.processes(id)));
  const pids = await processesOf();
  expect(pids.map(({ length }) => length)).toEqual([1, 1, 1, 0, 0]);
  await Promise.all(services.map((service) => service.stop()));

  const client = await rig.connect();
  await runner({
    dbClient: client,
    dir,
    direction: 'down',
    count: newer,
    migrationsTable: 'migrations',
    log: () => undefined,
  });
  // The sweeper looks at rows that have not changed for long.
  await client.query(
    `begin; set local session_replication_role = replica; update instances set updated_at = now() - interval '1 hour'; commit`,
  );
  await rig.workflow(running[0] ?? '').terminate('by the test');
  const before = await readRows();
  expect(await migrate({ databaseUrl: rig.environment.DATABASE_URL })).toHaveLength(newer);
  expect(await readRows()).toEqual(before);

  await rig.startAll();
  // A sweep has looked at all rows when it has found the one without a workflow.
  await vi.waitFor(async () => expect((await rig.workflow(running[0] ?? '').describe()).status.name).toBe('RUNNING'), {
    timeout: 30_000,
  });
  await rig.bus.until(await rig.insertInstance(agentId), 'instance.updated', 'running');
  expect(await processesOf()).toEqual(pids);
  const { rows, log } = await readRows();
  expect(rows).toEqual(expect.arrayContaining(before.rows));
  expect(log.filter(({ id }) => Number(id) <= Number(before.log.at(-1)?.['id']))).toEqual(before.log);

  // The rows have what a rollout needs.
  await rig.pool.query(
    `update agents set version = '2', rollout = '{"min_healthy_seconds": 0, "max_parallel": {"count": 4}}' where id = $1`,
    [agentId],
  );
  await vi.waitFor(
    async () => {
      const { rows: moved } = await rig.pool.query(
        `select status, agent_version, running_version from instances where id = any ($1) order by status`,
        [[...running, stopped]],
      );
      const runs = { status: 'running', agent_version: '2', running_version: '2' };
      expect(moved).toEqual([runs, runs, runs, { status: 'stopped', agent_version: '2', running_version: null }]);
    },
    { timeout: 60_000 },
  );
});
