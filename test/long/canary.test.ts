import type pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runCanary, type CanaryResult } from '../../activities/deployments/run-canary.ts';
import { createCanaryWorkflows } from '../../bridge/deployments/canary-workflows.ts';
import { recordRouting } from '../../database/deployments/steps.ts';
import { useBuilds } from '../support/builds.ts';
import { buildsOfTasks, makeCurrent } from '../support/deployments.ts';
import { one, useRig } from '../support/rig.ts';
import { openTestPool } from '../support/test-pool.ts';

const rig = useRig({ services: ['event_broker'], settings: { SWEEP_INTERVAL_SECONDS: '1' } });
const builds = useBuilds(rig);
let deployer: pg.Pool;

beforeAll(async () => {
  deployer = openTestPool({ connectionString: rig.environmentOf('deployer').DATABASE_URL, max: 2 });
  await makeCurrent(rig.client, (await builds.start('current')).build);
});

afterAll(() => deployer.end());

/** Runs an instance of the agent on a build, as the deployer does in a deployment of it. */
async function runCanaryOf(
  agentId: string,
  buildId: string,
  limitMs = 40_000,
): Promise<{ result: CanaryResult; instanceId: string; runId: string }> {
  const deploymentName = rig.environment.TASK_QUEUE;
  await recordRouting(rig.pool, {
    deploymentName,
    currentBuildId: 'current',
    rampingBuildId: null,
    rampingPercentage: 0,
  });
  const { rows } = await rig.pool.query<{ id: string; canary: string }>(
    `insert into deployments (deployment_name, build_id, strategy) values ($1, $2, $3) returning id, canary_of(id) as canary`,
    [deploymentName, buildId, { canary_agent_id: agentId }],
  );
  const { id: deploymentId, canary: instanceId } = one(rows);
  const workflows = createCanaryWorkflows({
    client: rig.client,
    deploymentName,
    taskQueue: rig.environment.TASK_QUEUE,
  });
  const signal = new AbortController().signal;
  // The sweeper may start another run for what is left, on the current build.
  let runId = '';
  const start = async (id: string, build: string): Promise<void> => {
    await workflows.start(id, build);
    ({ runId } = await rig.workflow(id).describe());
  };
  const options = { deploymentId, buildId, limitMs, signal, pollMs: 100 };
  const result = await runCanary({ pool: deployer, workflows: { ...workflows, start }, ...options });
  await rig.pool.query("update deployments set status = 'aborted' where id = $1", [deploymentId]);
  return { result, instanceId, runId };
}

async function expectNothingLeft(instanceId: string): Promise<void> {
  const { rows } = await rig.pool.query('select from instances where id = $1', [instanceId]);
  expect(rows).toEqual([]);
  await vi.waitFor(async () => {
    const placements = await rig.pool.query('select from placements where instance_id = $1', [instanceId]);
    expect(placements.rows).toEqual([]);
    expect(await rig.processes(instanceId)).toEqual([]);
  }, 40_000);
}

test('an instance runs on the build alone before any other does, and is deleted', async () => {
  const candidate = await builds.start('good');
  const { result, instanceId, runId } = await runCanaryOf(await rig.publishAgent(), 'good');
  expect(result).toEqual({ outcome: 'healthy' });
  expect(new Set(await buildsOfTasks(rig.client, `instance/${instanceId}`, runId))).toEqual(new Set(['good']));
  expect(rig.bus.of(instanceId).length).toBeGreaterThan(2);
  await expectNothingLeft(instanceId);
  await candidate.stop();
}, 120_000);

test('an instance that does not run says why, and is deleted', async () => {
  const candidate = await builds.start('unlucky');
  const { result, instanceId } = await runCanaryOf(
    await rig.publishAgent({ command: ['/no/such/program'] }),
    'unlucky',
  );
  expect(result).toEqual({
    outcome: 'failed',
    message: expect.stringMatching(
      /the build unlucky does not run\. It is failed\. The command program.*does not exist/,
    ),
  });
  await expectNothingLeft(instanceId);
  await candidate.stop();
}, 120_000);

test('nothing is left of an instance whose build can neither start nor delete it', async () => {
  // Each step is an activity of its own. Those on hosts, and the last one of each run, go to a task queue that nobody polls.
  const candidate = await builds.startChanged(
    'stuck',
    { file: 'instance-workflow.ts', from: '...(alone && { alone })', to: 'alone: true' },
    {
      file: 'step-activities.ts',
      from: 'const taskQueue = hostTaskQueue(workflowInfo().taskQueue, hostId);',
      to: "const taskQueue = 'nobody';",
    },
    {
      file: 'step-activities.ts',
      from: "rowActivities('Record that the instance is gone')",
      to: "proxyActivities<SharedActivities>({ ...rowOptions, taskQueue: 'nobody' })",
    },
  );
  const { result, instanceId, runId } = await runCanaryOf(await rig.publishAgent(), 'stuck', 4_000);
  expect(result).toEqual({
    outcome: 'failed',
    message: expect.stringMatching(/the build stuck does not run in time\. It is pending/),
  });
  const run = rig.client.workflow.getHandle(`instance/${instanceId}`, runId);
  expect((await run.describe()).status.name).toBe('TERMINATED');
  await candidate.stop();
  await expectNothingLeft(instanceId);
}, 120_000);
