import { afterAll, describe, test, type TestContext } from 'vitest';
import { deploymentWorkflowId } from '../../contracts/names.ts';
import { isInCohort } from '../../activities/deployments/cohort.ts';
import { useDeploymentBundle } from '../support/deployment-bundle.ts';
import { useDeploymentServer } from '../support/deployment-server.ts';
import { openDeployedInstances, openRoutedRig, replayDeployments } from '../support/routed-deployments.ts';
import { untilTrue } from '../support/routed-workers.ts';

const environment = useDeploymentServer();
const bundle = useDeploymentBundle();
const limitMs = 240_000;

afterAll(() => replayDeployments(environment, bundle.path), limitMs);

const open = (count: number, context: TestContext) => openDeployedInstances(environment, bundle.path, count, context);

describe.concurrent('a good candidate', () => {
  test(
    'is ramped, promoted and watched, and the build before it is drained and deleted',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, read, statuses, rig, ids } = await open(12, context);
      const stop = await builds.startWorker('good', 'v0');
      const id = await request('v2', { steps: [30, 100] });
      await until(id, 'waiting');
      await startWorker('patched', 'v2');
      await until(id, 'promoted');
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v2');
      expect(await builds.deployments.readRouting()).toMatchObject({ currentBuildId: 'v2', rampingBuildId: null });
      await stop();
      await builds.stopWorkers('v1');
      await until(id, 'drained');
      expect(await read(id)).toMatchObject({ percentage: 100, previous_build_id: 'v1', reason: null });
      await untilTrue(async () => statuses(id).at(-1) === 'drained', `the bus says ${JSON.stringify(statuses(id))}`);
      expect(statuses(id)).toEqual(
        [
          'deployment.requested',
          'requested',
          'waiting',
          'checking',
          'ramping',
          'checking',
          'ramping',
          'promoting',
          'deployment.promoted',
          'drained',
        ].filter((status) => statuses(id).includes(status)),
      );
      expect((await builds.deployments.readRouting())?.builds.map(({ buildId }) => buildId)).not.toContain('v1');
      expect(rig.fatal).toEqual([]);
    },
    limitMs,
  );
});

describe.concurrent('a candidate that cannot carry runs on', () => {
  test(
    'is rolled back as soon as a probe fails, and no run is harmed',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, findings, ids, untilPolled } = await open(20, context);
      await startWorker('broken', 'v2');
      await untilPolled('v2');
      const id = await request('v2', { steps: [40, 100] });
      const row = await until(id, 'rolled_back', 'task_failures');
      const carried = ids.filter((workflowId) => isInCohort(workflowId, 40));
      expect(row.reason?.message).toMatch(/The build v2 cannot carry \d+ runs? on\. [0-9a-f-]{36}: /);
      const failed = [...(await findings(id, 'probe_failed')), ...(await findings(id, 'task_failed'))];
      expect(carried).toEqual(expect.arrayContaining(failed.map((instance) => `instance/${instance}`)));
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v1');
      for (const workflowId of ids) expect(await builds.completedTasks(workflowId)).not.toContain('v2');
    },
    limitMs,
  );
});

describe.concurrent('a rollback', () => {
  test(
    'resets the runs that the build before cannot replay, also those that continued as new, and every run answers',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, want, ids, findings } = await open(9, context);
      await startWorker('patched', 'v2');
      const id = await request('v2', { rollback_window_seconds: 3_600 });
      await until(id, 'promoted');
      const renewed = ids.slice(0, 3);
      await builds.step(ids);
      await builds.renew(renewed);
      await builds.step(renewed);
      await builds.untilPatched(ids);
      await want(id, 'rolled_back');
      const row = await until(id, 'rolled_back', 'rollback_requested');
      expect(row.reset_instances).toBe(ids.length);
      expect(await findings(id, 'reset')).toHaveLength(row.reset_instances);
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v1');
    },
    limitMs,
  );

  test(
    'waits for workers of the build before, says so, and goes on when they come',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, want, ids } = await open(4, context);
      await startWorker('good', 'v2');
      const id = await request('v2', { steps: [50, 100], auto_promote: false });
      await until(id, 'paused', 'awaiting_promotion');
      await builds.stopWorkers('v1');
      await untilTrue(async () => (await builds.pollers.findMissing('v1')).length > 0, 'v1 still polls', 120_000);
      await want(id, 'aborted');
      const { reason } = await until(id, 'paused', 'previous_absent');
      expect(reason?.message).toMatch(/cannot be rolled back: the build v1 has no workers on .*Start agents_worker/);
      await startWorker('good', 'v1');
      await until(id, 'aborted', 'aborted');
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v1');
    },
    limitMs,
  );
});

describe.concurrent('somebody else who changes the routing', () => {
  test(
    'stops the deployment, which goes on when a person resumes it',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, want } = await open(4, context);
      await startWorker('good', 'v2');
      const id = await request('v2', { steps: [50, 100], auto_promote: false, min_instances: 0 });
      await until(id, 'paused', 'awaiting_promotion');
      await builds.stranger.manage();
      const { reason } = await until(id, 'paused', 'foreign_change');
      expect(reason?.message).toMatch(
        /changed the routing of .* at Temporal: stranger\. Now v1 is current, and v2 ramps at 50 %\. Nothing more is changed/,
      );
      await builds.stranger.unsetRamp();
      await want(id, 'promoted');
      await until(id, 'promoted');
    },
    limitMs,
  );
});

describe.concurrent('a deployment', () => {
  test(
    'without workers of the candidate, of the current build, or that is aborted before its ramp ends at once',
    async (context) => {
      const { expect } = context;
      const { builds, request, until, want, startWorker } = await open(1, context);
      const absent = await request('v9', { pollers_deadline_seconds: 1 });
      const { reason } = await until(absent, 'refused', 'candidate_absent');
      expect(reason?.message).toMatch(/The build v9 has no workers on .*\(workflow\), .*\(activity\) after 1 s/);
      const aborted = await request('v9');
      await until(aborted, 'waiting');
      await want(aborted, 'aborted');
      await until(aborted, 'aborted', 'aborted');
      await startWorker('good', 'v2');
      await builds.deployments.manage();
      const current = await request('v2');
      await until(current, 'waiting');
      expect(await builds.deployments.readRouting()).toMatchObject({ currentBuildId: 'v1' });
      await want(current, 'aborted');
    },
    limitMs,
  );

  test(
    'is not changed by events that are delivered again, late and in the wrong order',
    async (context) => {
      const { expect } = context;
      const { rig, builds, request, startWorker, until, read, untilPolled } = await open(2, context);
      const deliverAgain = async (id: string): Promise<void> => {
        for (const { message } of rig.bus.of(id).toReversed()) {
          const { exchange, routingKey } = message.fields;
          await rig.bus.publish(exchange, routingKey, message.content.toString(), message.properties);
        }
      };
      const refused = await request('v9', { pollers_deadline_seconds: 1 });
      await until(refused, 'refused', 'candidate_absent');
      await startWorker('good', 'v2');
      await untilPolled('v2');
      const id = await request('v2', { rollback_window_seconds: 3_600 });
      await until(id, 'ramping');
      await deliverAgain(refused);
      await deliverAgain(id);
      await until(id, 'promoted');
      await rig.untilBusIsQuiet();
      const before = await Promise.all([refused, id].map(read));
      await deliverAgain(id);
      await deliverAgain(refused);
      await rig.untilBusIsQuiet();
      expect(await Promise.all([refused, id].map(read))).toEqual(before);
      expect(before).toMatchObject([{ status: 'refused' }, { status: 'promoted', reason: null }]);
      expect(await builds.deployments.readRouting()).toMatchObject({ currentBuildId: 'v2', rampingBuildId: null });
      expect(rig.fatal).toEqual([]);
    },
    limitMs,
  );

  test(
    'of which no event arrives is taken up all the same',
    async (context) => {
      const { expect } = context;
      const { rig, request, until, statuses, begin, close } = await openRoutedRig(environment, bundle.path);
      context.onTestFinished(close, limitMs);
      await begin(1);
      const broker = await rig.startEventBroker();
      await broker.ready();
      await rig.startServices(['deployer']);
      await broker.stop();
      const id = await request('v9', { pollers_deadline_seconds: 1 });
      await until(id, 'refused', 'candidate_absent');
      expect(statuses(id)).toEqual([]);
    },
    limitMs,
  );

  test(
    'goes on where the row is when its workflow was terminated, and when its deployer was stopped',
    async (context) => {
      const { expect } = context;
      const { rig, name, request, startWorker, until, want, builds } = await open(4, context);
      const { client } = rig;
      await startWorker('good', 'v2');
      const id = await request('v2', { steps: [50, 100], auto_promote: false });
      await until(id, 'paused', 'awaiting_promotion');
      await client.workflow.getHandle(deploymentWorkflowId(name)).terminate('by the test');
      await want(id, 'promoted');
      await until(id, 'promoted');
      expect(await builds.deployments.readRouting()).toMatchObject({ currentBuildId: 'v2' });
    },
    limitMs,
  );
});
