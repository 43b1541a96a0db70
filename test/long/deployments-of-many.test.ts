import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, test, vi, type TestContext } from 'vitest';
import { createWorkerDeployments } from '../../bridge/deployments/worker-deployments.ts';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { bundleChangedWorkflows, type Change } from '../replay/changed-workflows.ts';
import { useDeploymentServer } from '../support/deployment-server.ts';
import { buildsOfTasks } from '../support/deployments.ts';
import { openPythonClient } from '../support/python-client.ts';
import { openEngineTrial, type EngineTrial } from './deployments/engine-trial.ts';

/** `DEPLOYMENT_INSTANCES=1000` and `ROLLBACK_INSTANCES=200` show the same of more instances, which takes minutes. */
const deployed = Number(process.env['DEPLOYMENT_INSTANCES'] ?? 30);
const rolledBack = Number(process.env['ROLLBACK_INSTANCES'] ?? 40);
const timeoutOf = (instances: number): number => 180_000 + instances * 2_000;

const server = useDeploymentServer();
const watchOrder = fileURLToPath(new URL('watchers/watch_order.py', import.meta.url));

/** An engine of the test's own on the server where builds drain quickly. Its instances come later. */
async function open(
  instances: number,
  { onTestFinished }: TestContext,
  { replays }: { replays: boolean },
): Promise<EngineTrial> {
  const servers = { ...inject('servers'), temporalAddress: server.connection.options.address };
  const timeoutMs = timeoutOf(instances);
  const trial = await openEngineTrial({ instances: 0, servers, timeoutMs, replays });
  onTestFinished(trial.close, timeoutMs);
  return trial;
}

async function startInstances({ create, untilSettled }: EngineTrial, count: number): Promise<void> {
  await create(count);
  await untilSettled();
}

const secondsSince = (began: number): string => ((performance.now() - began) / 1_000).toFixed(0);

// One at a time: each keeps an engine and its users at work.
describe('while users work', () => {
  test(
    `a good candidate gets ${deployed} instances, no agent is started again, every event is in order, and the build before is deleted`,
    async (context) => {
      const trial = await open(deployed, context, { replays: true });
      const { rig, request, until, v1 } = trial;
      const watcher = await openPythonClient(watchOrder, rig.environment.AMQP_URL);
      context.onTestFinished(watcher.end);
      await startInstances(trial, deployed);
      const users = trial.startUsers({ pauseMs: 1_000, creations: 5 });

      const began = performance.now();
      const id = await request('v2', { steps: [10, 100], bake_seconds: 10, rollback_window_seconds: 5 });
      await until(id, 'waiting');
      trial.startProcess('v2');
      const { reason } = await until(id, ['promoted', 'refused', 'rolled_back']);
      const promoted = secondsSince(began);
      expect(reason).toBeNull();
      await users.stop();
      await trial.touch(await trial.ids());
      await trial.untilLastOn(await trial.ids(), 'v2');
      await v1.stop();
      await until(id, 'drained');
      process.stdout.write(
        `${deployed} instances: promoted after ${promoted} s, drained after ${secondsSince(began)} s\n`,
      );

      await trial.expectUnharmed();
      const deploymentName = rig.environment.TASK_QUEUE;
      const known = createWorkerDeployments({ client: rig.client, deploymentName, identity: 'test' });
      const routing = await known.readRouting();
      expect(routing).toMatchObject({ currentBuildId: 'v2', rampingBuildId: null });
      expect(routing?.builds.map(({ buildId }) => buildId)).not.toContain('v1');
      const last = await rig.publishAgent();
      const seen = await watcher.find(({ agent_id: agentId }) => agentId === last, 60_000);
      const { rows } = await rig.pool.query<{ events: string }>('select sum(sequence) as events from instances');
      expect(seen).toMatchObject({
        faults: [],
        events: Number(rows[0]?.events),
        instances: (await trial.ids()).length,
      });
    },
    3 * timeoutOf(deployed),
  );

  test(
    `the rollback of ${rolledBack} instances after markers and after continue-as-new heals every run, and no agent is started again`,
    async (context) => {
      const trial = await open(rolledBack, context, { replays: false });
      const { request, until, want } = trial;
      await startInstances(trial, rolledBack);
      const ids = await trial.ids();
      const renewed = ids.filter(isRenewed);
      const file = join(trial.folder, 'patched.js');
      await writeFile(file, (await bundleChangedWorkflows(patchedAndRenewing)).code);
      trial.startProcess('v2', { settings: { WORKFLOW_BUNDLE: file } });
      const id = await request('v2', { steps: [100], bake_seconds: 10, rollback_window_seconds: 3_600 });
      const { reason } = await until(id, ['promoted', 'refused', 'rolled_back']);
      expect(reason).toBeNull();
      await trial.touch(ids);
      await untilPatched(trial, ids, renewed);
      const users = trial.startUsers({ pauseMs: 500, creations: 3 });
      const began = performance.now();
      await want(id, 'rolled_back');
      const row = await until(id, ['rolled_back', 'paused']);
      process.stdout.write(
        `${ids.length} instances, of which ${renewed.length} continued as new: rolled back after ${secondsSince(began)} s, ` +
          `${row.reset_instances} reset\n`,
      );
      await users.stop();

      expect(row).toMatchObject({ status: 'rolled_back', reason: { code: 'rollback_requested' } });
      expect(row.reset_instances).toBeGreaterThanOrEqual(ids.length);
      await trial.expectUnharmed();
      await trial.touch(await trial.ids());
      await trial.untilLastOn(await trial.ids(), 'v1');
      await trial.expectUnharmed();
    },
    3 * timeoutOf(rolledBack),
  );
});

const isRenewed = (id: string): boolean => id < '5';

/** Each run holds a marker at its next task, and about a third of the instances continue as new once. */
const patchedAndRenewing: Change[] = [
  { file: 'instance-workflow.ts', from: '  condition,\n', to: '  condition,\n  patched,\n' },
  {
    file: 'instance-workflow.ts',
    from: 'if (isFull() || ',
    to: `if (
      (patched('by-the-candidate') && workflowInfo().continuedFromExecutionRunId === undefined && instanceId < '5') || isFull() || `,
  },
];

async function untilPatched({ rig }: EngineTrial, ids: readonly string[], renewed: readonly string[]): Promise<void> {
  const timeout = timeoutOf(ids.length);
  for (const id of ids) {
    await vi.waitUntil(
      async () => {
        const { events = [] } = await rig.workflow(id).fetchHistory();
        const isContinued = Boolean(events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId);
        const isPatched = events?.some(({ markerRecordedEventAttributes: marker }) => marker);
        return isPatched && isContinued === renewed.includes(id);
      },
      { timeout, interval: 100 },
    );
  }
  for (const id of ids) expect(await buildsOfTasks(rig.client, instanceWorkflowId(id))).toContain('v2');
}
