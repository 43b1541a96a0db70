import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, test, type TestContext } from 'vitest';
import { isInCohort } from '../../activities/deployments/cohort.ts';
import { instanceIdOf as idOf } from '../../activities/deployments/runs.ts';
import { useDeploymentBundle } from '../support/deployment-bundle.ts';
import { useDeploymentServer } from '../support/deployment-server.ts';
import { openDeployedInstances, openRoutedRig, replayDeployments } from '../support/routed-deployments.ts';
import { untilTrue } from '../support/routed-workers.ts';

const environment = useDeploymentServer();
const bundle = useDeploymentBundle();
const limitMs = 240_000;

afterAll(() => replayDeployments(environment, bundle.path), limitMs);

const open = (count: number, context: TestContext) => openDeployedInstances(environment, bundle.path, count, context);

const instanceIdOf = (workflowId: string): string => idOf({ workflowId }) ?? '';

/** The smallest percentage of a ramp that carries the workflow, as a whole number. */
const smallestStepWith = (workflowId: string): number =>
  Array.from({ length: 100 }, (_, index) => index + 1).find((percentage) => isInCohort(workflowId, percentage)) ?? 100;

describe.concurrent('instances that the candidate cannot replay', () => {
  /** Of 6 runs, 2 took a second step, which v2 takes in another way. The last one of these also heard what v3 does not let go by. */
  async function openWithBreaking(context: TestContext) {
    const opened = await open(6, context);
    const { builds, ids, rig, startWorker, untilPolled } = opened;
    const [first = '', last = ''] = ids;
    await rig.client.workflow.getHandle(last).signal('renew');
    await builds.step([first, last]);
    await builds.untilStepped([first, last], 2);
    await startWorker('selective', 'v2');
    await untilPolled('v2');
    const pins = (of: readonly string[]) => Promise.all(of.map((id) => builds.pinOf(id)));
    return { ...opened, breaking: [first, last], first, last, pins };
  }
  const holding = { gate: 'on', on_break: 'hold', max_held: 2 };

  test(
    'stay on the build before, which is not drained under them, until a later build can replay them',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, read, breaking, first, last, ids, pins } =
        await openWithBreaking(context);
      const holder = await request('v2', holding);
      expect(await until(holder, 'promoted')).toMatchObject({ held: 2, reason: null });
      await builds.step(breaking);
      await builds.untilLastOn(breaking, 'v1');
      expect(await pins(ids)).toEqual(['v1', 'v1', undefined, undefined, undefined, undefined]);
      await startWorker('patched', 'v3');
      expect(await until(holder, 'promoted')).toMatchObject({ held: 2, reason: null });

      const next = await request('v3', { gate: 'on' });
      await until(next, 'promoted');
      expect(await read(holder)).toMatchObject({ status: 'superseded' });
      expect(await pins(breaking)).toEqual(['v1', 'v1']);
      await builds.stopWorkers('v2');
      expect(await until(next, 'drained')).toMatchObject({ held: 0, previous_build_id: 'v2' });
      expect(await pins(breaking)).toEqual([undefined, 'v1']);
      await builds.step(ids);
      await builds.untilLastOn(
        ids.filter((id) => id !== last),
        'v3',
      );
      await builds.untilLastOn([last], 'v1');
      expect((await builds.deployments.readRouting())?.builds).toContainEqual({ buildId: 'v1', isDrained: false });
      expect(await builds.completedTasks(first)).not.toContain('v2');
    },
    limitMs,
  );

  test(
    'are given back to the routing by a rollback, and by none if the deployment ends before its ramp',
    async (context) => {
      const { expect } = context;
      const { builds, request, until, want, read, breaking, ids, pins } = await openWithBreaking(context);
      const refused = await request('v2', { ...holding, max_held: 1 });
      const { reason } = await until(refused, 'refused', 'gate_failed');
      expect(reason?.message).toMatch(/cannot replay 2 of 6 histories\. At most 1 may be held on the build before/);
      const aborted = await request('v2', { ...holding, auto_promote: false });
      await until(aborted, 'paused', 'awaiting_promotion');
      expect(await read(aborted)).toMatchObject({ held: 2 });
      await want(aborted, 'aborted');
      await until(aborted, 'aborted');
      expect(await pins(breaking)).toEqual([undefined, undefined]);

      const promoted = await request('v2', { ...holding, rollback_window_seconds: 3_600 });
      await until(promoted, 'promoted');
      expect(await pins(breaking)).toEqual(['v1', 'v1']);
      await want(promoted, 'rolled_back');
      await until(promoted, 'rolled_back', 'rollback_requested');
      expect(await pins(ids)).toEqual(ids.map(() => undefined));
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v1');
    },
    limitMs,
  );
});

describe.concurrent('the ramp of the first build', () => {
  test(
    'is taken back, also from runs that workers without a build cannot replay, and then promoted for good',
    async (context) => {
      const { expect } = context;
      const opened = await openRoutedRig(environment, bundle.path);
      context.onTestFinished(opened.close, limitMs);
      const { builds, rig, request, startWorker, until, untilPolled, want } = opened;
      const ids = await opened.beginUnversioned(6);
      await rig.startServices(['event_broker', 'deployer']);
      await startWorker('patched', 'v1');
      await untilPolled('v1');
      const id = await request('v1', {
        gate: 'on',
        steps: [60, 100],
        auto_promote: false,
        min_instances: 0,
      });
      await until(id, 'paused', 'awaiting_promotion');
      await builds.step(ids);
      const carried = ids.filter((workflowId) => isInCohort(workflowId, 60));
      await builds.untilPatched(carried);
      await want(id, 'rolled_back');
      expect(await until(id, 'rolled_back', 'rollback_requested')).toMatchObject({
        previous_build_id: null,
        reset_instances: carried.length,
      });
      await builds.step(ids);
      for (const workflowId of ids) {
        await untilTrue(
          async () => (await builds.completedTasks(workflowId)).at(-1) === undefined,
          `${workflowId} is not on workers without a build`,
        );
      }
      const again = await request('v1', { rollback_window_seconds: 5 });
      await until(again, 'promoted');
      const { rows } = await want(again, 'rolled_back').catch((error: unknown) => ({ rows: [String(error)] }));
      expect(rows).toEqual([expect.stringContaining('The deployment has no previous build')]);
      await until(again, 'drained');
      expect(await builds.deployments.readRouting()).toMatchObject({ currentBuildId: 'v1' });
    },
    limitMs,
  );
});

describe.concurrent('instances that fail', () => {
  test(
    'count against the candidate as far as they are more than those of the build before',
    async (context) => {
      const { expect } = context;
      const { builds, rig, request, startWorker, until, findings, untilPolled, ids } = await open(12, context);
      const fail = (workflowIds: readonly string[]) =>
        rig.pool.query(`update instances set status = 'failed' where id = any ($1)`, [workflowIds.map(instanceIdOf)]);
      const step = ids.map((id) => smallestStepWith(id)).toSorted((a, b) => a - b)[5] ?? 0;
      const carried = ids.filter((id) => isInCohort(id, step));
      const others = ids.filter((id) => !carried.includes(id));
      await startWorker('good', 'v2');
      await untilPolled('v2');
      const id = await request('v2', { steps: [step, 100], max_failures: 1, min_instances: 0, auto_promote: false });
      await until(id, 'ramping');
      await fail([...others, ...carried.slice(2)]);
      await until(id, 'paused', 'awaiting_promotion');
      await fail(carried.slice(0, 2));
      const { reason } = await until(id, 'rolled_back', 'instance_failures');
      expect(reason?.message).toMatch(
        /^2 instances of the build v2 do badly, 0 would be expected, and at most 1 more are allowed\. /,
      );
      expect((await findings(id, 'instance_failed')).toSorted()).toEqual(
        carried.slice(0, 2).map(instanceIdOf).toSorted(),
      );
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v1');
    },
    limitMs,
  );

  test(
    'while the candidate is checked for its next step end the check',
    async (context) => {
      const { expect } = context;
      const { builds, rig, request, startWorker, until, untilPolled, ids } = await open(6, context);
      const [first = ''] = ids.toSorted((a, b) => smallestStepWith(a) - smallestStepWith(b));
      let isHeld = false;
      await startWorker('good', 'v2', {
        beforeReplay: async () => {
          while (isHeld) await delay(100);
        },
      });
      await untilPolled('v2');
      const steps = [smallestStepWith(first), 100];
      const id = await request('v2', { steps, gate: 'on', min_instances: 0, progress_deadline_seconds: 600 });
      await until(id, 'ramping');
      isHeld = true;
      await until(id, 'checking');
      await rig.pool.query(`update instances set status = 'failed' where id = $1`, [instanceIdOf(first)]);
      const { reason } = await until(id, 'rolled_back', 'instance_failures');
      isHeld = false;
      expect(reason?.message).toContain(instanceIdOf(first));
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v1');
    },
    limitMs,
  );
});

describe.concurrent('a candidate whose workers vanish in the middle of a step', () => {
  test(
    'is taken back, and every run goes on',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, untilPolled, ids } = await open(4, context);
      await startWorker('good', 'v2');
      await untilPolled('v2');
      const id = await request('v2', { bake_seconds: 120 });
      await until(id, 'ramping');
      await untilTrue(async () => {
        await builds.step(ids);
        const tasks = await Promise.all(ids.map((workflowId) => builds.completedTasks(workflowId)));
        return tasks.every((doneBy) => doneBy.at(-1) === 'v2');
      }, 'not every run is on v2');
      await builds.stopWorkers('v2');
      await builds.step(ids);
      const { reason } = await until(id, 'rolled_back', 'candidate_lost');
      expect(reason?.message).toMatch(/the build v2/i);
      await builds.untilLastOn(ids, 'v1');
      expect(await builds.deployments.readRouting()).toMatchObject({ currentBuildId: 'v1', rampingBuildId: null });
    },
    limitMs,
  );

  test(
    'is paused where the strategy says so, keeps what it has, and goes on when it is resumed',
    async (context) => {
      const { expect } = context;
      const { builds, request, startWorker, until, want, read, untilPolled, ids } = await open(4, context);
      await startWorker('good', 'v2');
      await untilPolled('v2');
      const id = await request('v2', { bake_seconds: 120, auto_rollback: false });
      await until(id, 'ramping');
      await builds.stopWorkers('v2');
      await until(id, 'paused', 'candidate_lost');
      expect(await read(id)).toMatchObject({ desired_state: 'paused', percentage: 100 });
      expect(await builds.deployments.readRouting()).toMatchObject({ rampingBuildId: 'v2', percentage: 100 });
      await startWorker('good', 'v2');
      await untilPolled('v2');
      await want(id, 'running');
      await until(id, 'ramping');
      await want(id, 'promoted');
      await until(id, 'promoted');
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v2');
    },
    limitMs,
  );
});
