import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { inject, type ProvidedContext, type TestContext } from 'vitest';
import { deploymentWorkflowType, instanceWorkflowId } from '../../contracts/names.ts';
import { createRequestedDeployments } from './requested-deployments.ts';
import { openRig } from './rig.ts';
import { replayRuns } from './replay.ts';
import { openRoutedDeployment, untilTrue, type RoutedCode, type WorkerOptions } from './routed-workers.ts';

const limitMs = 120_000;

export type RoutedRig = Awaited<ReturnType<typeof openRoutedRig>>;

/** A deployer on rows and runs of its own. The builds are small workers, whose code is in `routed-workflows/`. */
export async function openRoutedRig(
  environment: TestWorkflowEnvironment,
  deploymentBundle: string,
  servers: ProvidedContext['servers'] = inject('servers'),
) {
  const temporalAddress = environment.connection.options.address;
  const rig = await openRig({
    servers: { ...servers, temporalAddress },
    workflowBundle: deploymentBundle,
    settings: { DEPLOYMENT_BUNDLE: deploymentBundle },
    replays: false,
  });
  const { pool, bus } = rig;
  const builds = openRoutedDeployment(environment, { taskQueue: rig.environment.TASK_QUEUE });
  const { name } = builds;
  const quick = {
    steps: [100],
    bake_seconds: 10,
    probe_per_second: 100,
    gate: 'off',
    pollers_deadline_seconds: 60,
    progress_deadline_seconds: 60,
    rollback_window_seconds: 0,
  };

  const routed = {
    ...createRequestedDeployments({ pool, deploymentName: name, strategy: quick, limitMs }),
    rig,
    builds,
    name,
    /** A strategy of seconds. */
    quick,
    startWorker: async (code: RoutedCode, buildId: string, options: WorkerOptions = {}) => {
      await pool.query('select announce_build($1, $2, 3600)', [name, buildId]);
      return builds.startWorker(code, buildId, options);
    },
    untilPolled: (buildId: string) =>
      untilTrue(
        async () => (await builds.pollers.findMissing(buildId)).length === 0,
        `${buildId} has no workers`,
        limitMs,
      ),
    /** Makes a build the current one, as a person does, and starts so many instances, of which each has a run and a row. */
    begin: async (count: number): Promise<string[]> => {
      await routed.startWorker('good', 'v1');
      await routed.untilPolled('v1');
      await builds.deployments.manage();
      await builds.deployments.setCurrent('v1');
      await pool.query('select record_routing($1, $2, null, 0)', [name, 'v1']);
      return routed.beginRuns(count);
    },
    /** The same on workers without a build. */
    beginUnversioned: async (count: number): Promise<string[]> => {
      await builds.startWorker('good');
      return routed.beginRuns(count);
    },
    beginRuns: async (count: number): Promise<string[]> => {
      const agentId = await rig.publishAgent();
      const instanceIds = await Promise.all(Array.from({ length: count }, () => rig.insertInstance(agentId)));
      await pool.query(`update instances set status = 'running', observed_generation = generation`);
      const ids = await builds.startRuns(count, instanceIds.map(instanceWorkflowId));
      await builds.step(ids);
      return ids;
    },
    /** The statuses of the deployment on the bus, in their order. */
    statuses: (id: string): unknown[] => {
      const said = bus.of(id).flatMap(({ type, body }) => (type === 'deployment.updated' ? [body['status']] : [type]));
      return said.filter((status, index) => status !== said[index - 1]);
    },
    /** The instances with a finding, also those that are well again. */
    findings: async (id: string, finding: string): Promise<string[]> => {
      const { rows } = await pool.query<{ id: string }>(
        'select instance_id as id from deployment_instances where deployment_id = $1 and finding = $2',
        [id, finding],
      );
      return rows.map((row) => row.id);
    },
    close: async (): Promise<void> => {
      try {
        await builds.close();
      } finally {
        await rig.close();
      }
    },
  };
  return routed;
}

/** Instances on the build v1, and a deployer. They are the test's own, because the tests mostly wait, and do so at the same time. */
export async function openDeployedInstances(
  environment: TestWorkflowEnvironment,
  deploymentBundle: string,
  count: number,
  { onTestFinished }: TestContext,
): Promise<RoutedRig & { ids: string[] }> {
  const opened = await openRoutedRig(environment, deploymentBundle);
  onTestFinished(opened.close, limitMs);
  const ids = await opened.begin(count);
  await opened.rig.startServices(['event_broker', 'deployer']);
  return { ...opened, ids };
}

/** Replays every run of the deployer's workflow on the server, and fails where its code would not repeat one, or if there is none. */
export async function replayDeployments({ client }: TestWorkflowEnvironment, deploymentBundle: string): Promise<void> {
  const query = `WorkflowType = '${deploymentWorkflowType}'`;
  const replayed = await replayRuns(client, client.workflow.list({ query }), deploymentBundle);
  if (replayed === 0) throw new Error('There is no run of the workflow of deployments.');
}
