import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findHeldInstances } from '../../../database/deployments/held.ts';
import { healDeploymentInstances } from '../../../database/deployments/steps.ts';
import { findFailedInstances } from '../../../database/deployments/troubled.ts';
import { createDeploymentRows, type DeploymentRows } from '../../support/deployment-rows.ts';
import { openEventLog } from '../../support/event-log.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
let rows: DeploymentRows;
beforeAll(async () => {
  log = await openEventLog();
  rows = await createDeploymentRows(log.databaseUrl);
});
afterAll(async () => {
  await rows.close();
  await log.close();
});

/** Sets times that only the triggers set otherwise. */
const withoutTriggers = (statement: string) =>
  rows.pool.query(`begin; set local session_replication_role = replica; ${statement}; commit`);

test('instances that failed since the last change are told from those of as long a time before the request', async () => {
  const agentId = randomUUID();
  await rows.pool.query(`insert into agents (id, name, version, runtime) values ($1, 'echo', '1', '{}')`, [agentId]);
  const id = await rows.request();
  await rows.record(id, 'ramping', { percentage: 10 });
  // Requested two hours ago, and ramped for half an hour.
  await withoutTriggers(
    `update deployments set requested_at = clock_timestamp() - interval '7200 s', updated_at = clock_timestamp() - interval '1800 s'
     where id = '${id}'`,
  );
  const failed = async (secondsAgo: number): Promise<string> => {
    const instanceId = randomUUID();
    await rows.pool.query(`insert into instances (id, agent_id, user_id, status) values ($1, $2, $1, 'failed')`, [
      instanceId,
      agentId,
    ]);
    await withoutTriggers(
      `update instances set status = 'failed', observed_generation = generation,
         status_changed_at = clock_timestamp() - interval '${secondsAgo} s' where id = '${instanceId}'`,
    );
    return instanceId;
  };
  const since = await failed(600);
  // While the candidate was checked, or had less: nobody knows whether because of it.
  await failed(3_600);
  const before = await failed(7_800);
  await failed(12_000);
  const found = await findFailedInstances(rows.pool, id, null);
  expect(found.map(({ instanceId, isSince }) => ({ instanceId, isSince }))).toEqual([
    { instanceId: before, isSince: false },
    { instanceId: since, isSince: true },
  ]);
  await rows.record(id, 'aborted');
});

test('instances are held by the deployment, and by earlier ones that were promoted, until they are released', async () => {
  const [own, earlier, released, aborted] = Array.from({ length: 4 }, () => randomUUID());
  const hold = (id: string, ...held: (string | undefined)[]) =>
    rows.find(
      id,
      'held',
      held.map((instanceId) => ({ instance_id: instanceId, message: 'It differs.' })),
    );
  const abandoned = await rows.request();
  await hold(abandoned, aborted);
  await rows.record(abandoned, 'aborted');
  const first = await rows.request();
  await hold(first, earlier, released);
  await healDeploymentInstances(rows.pool, first, 'held', [released ?? '']);
  await rows.record(first, 'promoted', { percentage: 100 });
  await rows.route(rows.builds.candidate);
  const second = await rows.request(rows.builds.next);
  await hold(second, own);
  const found = await findHeldInstances(rows.pool, second);
  expect(found).toHaveLength(2);
  expect(found).toEqual(
    expect.arrayContaining([
      { instanceId: earlier, deploymentId: first },
      { instanceId: own, deploymentId: second },
    ]),
  );
});
