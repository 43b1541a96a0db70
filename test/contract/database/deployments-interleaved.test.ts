import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDeploymentRows, type DeploymentRows } from '../../support/deployment-rows.ts';
import { openEventLog } from '../../support/event-log.ts';
import { untilItWaits } from '../../support/until-it-waits.ts';

/** A person and the deployer work on a deployment at the same time. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let rows: DeploymentRows;
let person: pg.Client;
let deployer: pg.Client;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  rows = await createDeploymentRows(log.databaseUrl);
  [person, deployer] = [new pg.Client(log.databaseUrl), new pg.Client(log.databaseUrl)];
  await Promise.all([person.connect(), deployer.connect()]);
});
afterEach(() => Promise.all([rows.close(), person.end(), deployer.end()]));

const want = (client: pg.Client, id: string, desired: string) =>
  client.query('update deployments set desired_state = $2 where id = $1', [id, desired]);
const record = (client: pg.Client, id: string, status: string) =>
  client.query<{ status: string; desired_state: string }>(`select * from record_deployment($1, $2, '{}')`, [
    id,
    status,
  ]);
const request = (client: pg.Client, buildId: string) =>
  client.query('insert into deployments (deployment_name, build_id) values ($1, $2)', [rows.deploymentName, buildId]);

test('a step that waits for a wish is answered with it', async () => {
  const id = await rows.request();
  await person.query('begin');
  await want(person, id, 'aborted');
  const { result } = await untilItWaits(log, deployer, () => record(deployer, id, 'ramping'));
  await person.query('commit');
  expect(await result).toMatchObject({ rows: [{ status: 'ramping', desired_state: 'aborted' }] });
});

test('a wish that waits for the end is refused', async () => {
  const id = await rows.request();
  await deployer.query('begin');
  await record(deployer, id, 'refused');
  const { result } = await untilItWaits(log, person, () => want(person, id, 'paused'));
  await deployer.query('commit');
  expect(await result).toMatchObject({ constraint: 'deployments_has_not_ended' });
});

test('a request that waits for a wish to roll back is refused, and a wish that waits for the request as well', async () => {
  const id = await rows.request();
  await rows.record(id, 'promoted', { percentage: 100 });
  await rows.route(rows.builds.candidate);
  await deployer.query('begin');
  await want(deployer, id, 'rolled_back');
  const late = await untilItWaits(log, person, () => request(person, rows.builds.next));
  await deployer.query('commit');
  expect(await late.result).toMatchObject({ constraint: 'deployments_one_active' });

  await rows.record(id, 'rolled_back');
  await rows.route(rows.builds.previous);
  const next = await rows.request();
  await rows.record(next, 'promoted', { percentage: 100 });
  await rows.route(rows.builds.candidate);
  await deployer.query('begin');
  await request(deployer, rows.builds.next);
  const { result } = await untilItWaits(log, person, () => want(person, next, 'rolled_back'));
  await deployer.query('commit');
  expect(await result).toMatchObject({ constraint: 'deployments_has_not_ended' });
});

test('people, workers and the deployer at the same time end without a deadlock', async () => {
  const { deploymentName, builds, pool } = rows;
  const id = await rows.request();
  const refused = (error: unknown): void => {
    expect((error as { constraint?: string }).constraint).toMatch(/^deployments_/);
  };
  await Promise.all(
    Array.from({ length: 20 }, async (_, round) => {
      await Promise.all([
        rows.want(id, ['paused', 'running', 'promoted'][round % 3] ?? '').catch(refused),
        rows.record(id, 'ramping', { percentage: round + 1 }),
        rows.find(id, 'task_failed', [{ instance_id: '00000000-0000-4000-8000-000000000001', message: String(round) }]),
        rows.announce(builds.next),
        rows.route(builds.previous, { rampingBuildId: builds.candidate, rampingPercentage: round + 1 }),
        rows.request(builds.next).catch(refused),
      ]);
    }),
  );
  const { rows: found } = await pool.query('select status from deployments where deployment_name = $1', [
    deploymentName,
  ]);
  expect(found).toEqual([{ status: 'ramping' }]);
});
