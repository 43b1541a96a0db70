import { readFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { one, useRig } from '../support/rig.ts';

const rig = useRig();
let worker: Awaited<ReturnType<typeof rig.startAgentsWorker>>;

beforeAll(async () => {
  [worker] = await Promise.all([rig.startAgentsWorker(), rig.startEventBroker()]);
});

/** The program of each version sleeps for a number of seconds of its own, which its command line shows. */
const programOf = { '1': '100001', '2': '100002' };
type Version = keyof typeof programOf;
const specOf = (version: Version) => ({
  kind: 'process',
  command: ['sleep', programOf[version]],
  stop_grace_seconds: 2,
  restart: { policy: 'always', backoff_seconds: 0 },
});
/** An agent whose stable version is 1 and whose newest one is 2. */
const publishTwo = async (): Promise<string> => {
  const id = await rig.publishAgent(specOf('1'));
  await rig.pool.query(`update agents set version = '2', runtime = $2 where id = $1`, [id, specOf('2')]);
  return id;
};
const choose = (id: string, version: Version) =>
  rig.pool.query('update instances set agent_version = $2 where id = $1', [id, version]);

const programsOf = async (id: string): Promise<(string | undefined)[]> => {
  const pids = await rig.processes(id);
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return commands.map((command) => command.split('\0')[1]);
};
const readRow = async (id: string) => {
  const { rows } = await rig.pool.query<{ running: string | null; status: string; observed: boolean }>(
    `select running_version as running, status, observed_generation = generation as observed from instances where id = $1`,
    [id],
  );
  return one(rows);
};
const untilRuns = (id: string, version: Version) =>
  vi.waitFor(
    async () => {
      expect(await readRow(id)).toEqual({ running: version, status: 'running', observed: true });
      expect(await programsOf(id)).toEqual([programOf[version]]);
    },
    { timeout: 60_000, interval: 100 },
  );

describe('an instance', () => {
  test('keeps its version, however its agent is started anew, until the row names another one', async () => {
    const agentId = await publishTwo();
    const id = await rig.insertInstance(agentId);
    await untilRuns(id, '1');

    const [pid = 0] = await rig.processes(id);
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(async () => expect(await rig.processes(id)).not.toContain(pid), { timeout: 60_000 });
    await untilRuns(id, '1');

    await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
    await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(await readRow(id)).toMatchObject({ running: null, status: 'stopped' });
    await rig.pool.query(`update instances set desired_state = 'running', config = '{"a": 1}' where id = $1`, [id]);
    await untilRuns(id, '1');

    await rig.workflow(id).terminate('by hand');
    await rig.pool.query(`update instances set config = '{"a": 2}' where id = $1`, [id]);
    await untilRuns(id, '1');

    await choose(id, '2');
    await untilRuns(id, '2');
    await rig.untilBusIsQuiet();
    const told = rig.bus.of(id).map(({ body }) => [body['status'], body['agent_version'], body['running_version']]);
    expect(told.slice(-3)).toEqual([
      ['running', '2', '1'],
      ['pending', '2', '1'],
      ['running', '2', '2'],
    ]);
  });

  test('gets the version that its creator chose, and goes back to the stable one', async () => {
    const agentId = await publishTwo();
    const { rows } = await rig.pool.query<{ id: string }>(
      `insert into instances (agent_id, user_id, agent_version) values ($1, $1, '2') returning id`,
      [agentId],
    );
    const { id } = one(rows);
    await untilRuns(id, '2');
    await choose(id, '1');
    await untilRuns(id, '1');
    expect(await programsOf(id)).toEqual([programOf['1']]);
  });

  test('that waited for its agent runs the first version, also if another one was published before it started', async () => {
    const agentId = await publishTwo();
    await rig.pool.query('delete from agents where id = $1', [agentId]);
    const id = await rig.insertInstance(agentId);
    await rig.bus.until(id, 'instance.updated', 'pending');
    const client = await rig.connect();
    await client.query('begin');
    await client.query(`insert into agents (id, name, version, runtime) values ($1, 'late', '1', $2)`, [
      agentId,
      specOf('1'),
    ]);
    await client.query(`update agents set version = '2', runtime = $2 where id = $1`, [agentId, specOf('2')]);
    await client.query('commit');
    await untilRuns(id, '1');
    await rig.untilBusIsQuiet();
    expect(rig.bus.of(id).at(-1)?.body).toMatchObject({ agent_version: '1', running_version: '1' });
  });
});

test('the migration to versions leaves what runs as it is: the same process, no event, and the version that it runs', async () => {
  const dir = fileURLToPath(new URL('../../database/migrations', import.meta.url));
  const newer = readdirSync(dir).filter((file) => file >= '0060').length;
  const agentId = await rig.publishAgent(specOf('1'));
  const id = await rig.insertInstance(agentId);
  await untilRuns(id, '1');
  await rig.untilBusIsQuiet();
  await worker.stop();
  const before = { processes: await rig.processes(id), events: rig.bus.of(id).length };

  // The release before does not know versions: what the rows say of them is lost, and comes from the agents again.
  const client = await rig.connect();
  for (const direction of ['down', 'up'] as const) {
    await runner({
      dbClient: client,
      dir,
      direction,
      count: newer,
      migrationsTable: 'migrations',
      log: () => undefined,
    });
  }
  worker = await rig.startAgentsWorker();
  await worker.ready();
  expect(await readRow(id)).toEqual({ running: '1', status: 'running', observed: true });

  const next = await rig.insertInstance(agentId);
  await untilRuns(next, '1');
  await rig.untilBusIsQuiet();
  expect({ processes: await rig.processes(id), events: rig.bus.of(id).length }).toEqual(before);
  await rig.pool.query(`update agents set version = '2', runtime = $2 where id = $1`, [agentId, specOf('2')]);
  await choose(id, '2');
  await untilRuns(id, '2');
});
