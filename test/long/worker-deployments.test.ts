import { Client, Connection } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { isInCohort } from '../../activities/deployments/cohort.ts';
import type { OpenRun } from '../../bridge/deployments/open-runs.ts';
import { probeRun, type ProbeResult } from '../../bridge/deployments/probe-run.ts';
import { probeRuns } from '../../bridge/deployments/probe-runs.ts';
import { createWorkerDeployments } from '../../bridge/deployments/worker-deployments.ts';
import { grpcCodes } from '../../bridge/signals/temporal-refusal.ts';
import { useDeploymentServer } from '../support/deployment-server.ts';
import { openGrpcGate } from '../support/grpc-gate.ts';
import { openRoutedDeployment, untilTrue } from '../support/routed-workers.ts';

const environment = useDeploymentServer();

type Deployment = ReturnType<typeof openRoutedDeployment>;

/** A deployment of the test's own, whose build `v1` is current. */
async function open(count = 0): Promise<Deployment & { ids: string[] } & AsyncDisposable> {
  const deployment = openRoutedDeployment(environment);
  await deployment.startWorker('good', 'v1');
  await untilPolled(deployment, 'v1');
  await deployment.deployments.manage();
  await deployment.deployments.setCurrent('v1');
  const ids = await deployment.startRuns(count);
  return { ...deployment, ids, [Symbol.asyncDispose]: () => deployment.close() };
}

async function untilPolled({ pollers }: Deployment, buildId: string | null): Promise<void> {
  const isPolled = async () => (await pollers.findMissing(buildId)).length === 0;
  await untilTrue(isPolled, `${buildId} has no workers`);
}

const runOf = (workflowId: string): OpenRun => ({ workflowId, runId: '' });

async function probeAll(ids: readonly string[], perSecond = 1_000): Promise<Map<string, ProbeResult>> {
  const results = new Map<string, ProbeResult>();
  await probeRuns({
    client: environment.client,
    runs: ids.map(runOf),
    perSecond,
    signal: new AbortController().signal,
    onResult: ({ workflowId }, result) => results.set(workflowId, result),
  });
  return results;
}

async function collect(runs: AsyncIterable<OpenRun>): Promise<OpenRun[]> {
  const collected: OpenRun[] = [];
  for await (const run of runs) collected.push(run);
  return collected;
}

const failedIn = (results: Map<string, ProbeResult>) =>
  [...results].filter(([, { outcome }]) => outcome === 'failed').map(([id]) => id);

describe.concurrent('the routing', () => {
  test('is nothing before any worker has announced its build', async () => {
    const { deployments, close } = openRoutedDeployment(environment);
    expect(await deployments.readRouting()).toBeUndefined();
    expect(await deployments.manage()).toMatch(/No worker has announced/);
    await close();
  });

  test('is read although the server denies for a moment that there is one', async () => {
    await using deployment = await open();
    const gate = await openGrpcGate(environment.connection.options.address);
    const connection = await Connection.connect({ address: gate.address });
    const { name: deploymentName } = deployment;
    const deployments = createWorkerDeployments({
      client: new Client({ connection }),
      deploymentName,
      identity: 'deployer',
    });
    gate.refuse(['DescribeWorkerDeployment'], { code: grpcCodes.notFound, details: 'Worker Deployment not found' }, 2);
    expect(await deployments.readRouting()).toMatchObject({ currentBuildId: 'v1' });
    await connection.close();
    await gate.close();
  });

  test('says the current build, the ramp and who changed it', async () => {
    await using deployment = await open();
    const { deployments } = deployment;
    await deployment.startWorker('good', 'v2');
    await untilPolled(deployment, 'v2');
    await deployments.ramp('v2', 10);
    expect(await deployments.readRouting()).toMatchObject({
      currentBuildId: 'v1',
      rampingBuildId: 'v2',
      percentage: 10,
      manager: 'deployer',
      lastModifier: 'deployer',
    });
    // A repeated change changes nothing.
    await deployments.ramp('v2', 10);
    await deployments.setCurrent('v2');
    await deployments.setCurrent('v2');
    expect(await deployments.readRouting()).toMatchObject({
      currentBuildId: 'v2',
      rampingBuildId: null,
      percentage: 0,
    });
    await deployments.ramp('v1', 1);
    await deployments.unsetRamp();
    await deployments.unsetRamp();
    expect(await deployments.readRouting()).toMatchObject({ currentBuildId: 'v2', rampingBuildId: null });
  });

  test('is not changed by anybody who does not manage it', async () => {
    await using deployment = await open();
    const { deployments, stranger } = deployment;
    expect(await stranger.setCurrent('v1')).toMatch(/managed by deployer/);
    await stranger.manage();
    expect(await deployments.readRouting()).toMatchObject({ manager: 'stranger', lastModifier: 'stranger' });
    expect(await deployments.setCurrent('v1')).toMatch(/managed by stranger/);
  });
});

describe.concurrent('the pollers', () => {
  test('of a build are missing until its workers poll, and some time after they stopped', async () => {
    await using deployment = await open();
    const { pollers, name } = deployment;
    expect(await pollers.findMissing('v2')).toEqual([
      { name, type: 'workflow' },
      { name, type: 'activity' },
    ]);
    const stop = await deployment.startWorker('good', 'v2');
    await untilPolled(deployment, 'v2');
    await stop();
    await untilTrue(async () => (await pollers.findMissing('v2')).length === 2, 'v2 is still polled');
    expect(await pollers.findMissing('v1')).toEqual([]);
  });

  test('without a version are told from those with one', async () => {
    await using deployment = await open();
    expect(await deployment.pollers.findMissing(null)).toHaveLength(2);
    await deployment.startWorker('good');
    await untilPolled(deployment, null);
  });

  test('are not needed on the queue of a host, and the build is routed to all the same', async () => {
    await using deployment = await open();
    const { deployments, name } = deployment;
    await deployment.startWorker('good', 'v1', { taskQueue: `${name}/host/1` });
    await deployment.startWorker('good', 'v2');
    await untilPolled(deployment, 'v2');
    expect(await deployments.ramp('v2', 50)).toBeUndefined();
    expect(await deployments.setCurrent('v2')).toBeUndefined();
    expect(await deployments.readRouting()).toMatchObject({ currentBuildId: 'v2' });
  });
});

describe('a ramp', () => {
  test('carries the runs whose position is within its percentage, and no others', async () => {
    await using deployment = await open(30);
    const { deployments, ids, runs } = deployment;
    await deployment.startWorker('good', 'v2');
    await untilPolled(deployment, 'v2');
    await deployments.ramp('v2', 40);
    const carried = ids.filter((id) => isInCohort(id, 40));
    expect(carried.length).toBeGreaterThan(0);
    await deployment.step(ids);
    await deployment.untilLastOn(carried, 'v2');
    await deployment.untilLastOn(
      ids.filter((id) => !carried.includes(id)),
      'v1',
    );
    await untilTrue(async () => (await collect(runs.listLastOn('v2'))).length === carried.length, 'not listed');
    expect(await collect(runs.list())).toHaveLength(30);
  });

  test('to a build that cannot carry them on fails the probes of exactly the runs in it, and they heal when it is unset', async () => {
    await using deployment = await open(30);
    const { deployments, ids } = deployment;
    // A replay compares what a task asked for with the events after it.
    await deployment.step(ids);
    await deployment.startWorker('broken', 'v2');
    await untilPolled(deployment, 'v2');
    await deployments.ramp('v2', 40);
    const carried = ids.filter((id) => isInCohort(id, 40));
    // The server needs about a second to route by the new ramp.
    await untilTrue(
      async () =>
        failedIn(await probeAll(ids))
          .toSorted()
          .join() === carried.toSorted().join(),
      'the probes do not fail',
    );
    // A run whose task failed cannot be asked, and is found all the same.
    const stuck = carried.slice(0, 1);
    await deployment.step(stuck);
    await untilTrue(async () => {
      const [result] = (await probeAll(stuck)).values();
      return result?.outcome === 'failed' && /TMPRL1100|[Nn]ondeterminism/.test(result.message);
    }, 'its failure is not read');
    await deployments.unsetRamp();
    await untilTrue(async () => failedIn(await probeAll(ids)).length === 0, 'not healed');
    expect(await deployment.completedTasks(stuck[0] ?? '')).not.toContain('v2');
  });
});

describe('probes', () => {
  test('of runs that closed or never were say so', async () => {
    await using deployment = await open(1);
    const [id = ''] = deployment.ids;
    expect(await probeRun(environment.client, runOf(id))).toEqual({ outcome: 'answered' });
    await environment.client.workflow.getHandle(id).terminate();
    expect(await probeRun(environment.client, runOf(id))).toEqual({ outcome: 'gone' });
    expect(await probeRun(environment.client, runOf('nobody'))).toEqual({ outcome: 'gone' });
  });

  test('come at no more than their rate, and stop when they are told to', async () => {
    await using deployment = await open(12);
    const began = performance.now();
    expect((await probeAll(deployment.ids, 10)).size).toBe(12);
    expect(performance.now() - began).toBeGreaterThan(1_000);
    const stopping = new AbortController();
    let taken = 0;
    let takenAtStop = 0;
    await probeRuns({
      client: environment.client,
      runs: (function* () {
        for (const id of deployment.ids) {
          taken += 1;
          yield runOf(id);
        }
      })(),
      perSecond: 5,
      signal: stopping.signal,
      onResult: () => {
        takenAtStop ||= taken;
        stopping.abort();
      },
    });
    expect(taken).toBeLessThanOrEqual(takenAtStop + 1);
  });
});

describe('runs that the build before cannot replay', () => {
  test.each(['a patch', 'a continue-as-new'])('heal after %s by a reset to the last task before it', async (kind) => {
    await using deployment = await open(3);
    const { deployments, ids, mender } = deployment;
    await deployment.step(ids);
    await deployment.startWorker('patched', 'v2');
    await untilPolled(deployment, 'v2');
    await deployments.setCurrent('v2');
    if (kind === 'a continue-as-new') await deployment.renew(ids);
    await deployment.step(ids);
    await deployment.untilPatched(ids);
    await deployments.setCurrent('v1');
    await untilTrue(async () => failedIn(await probeAll(ids)).length === ids.length, 'the probes do not fail');
    const reset = { buildId: 'v1', reason: 'the test takes v2 back', requestId: deployment.name };
    for (const id of ids) {
      const { runId } = await environment.client.workflow.getHandle(id).describe();
      expect(await mender.reset({ workflowId: id, runId }, { ...reset, requestId: `${reset.requestId}/${id}` })).toBe(
        true,
      );
    }
    await untilTrue(async () => failedIn(await probeAll(ids)).length === 0, 'not healed');
    await deployment.step(ids);
    await deployment.untilLastOn(ids, 'v1');
  });

  test('are held on the build before, whatever the routing says, until they are released', async () => {
    await using deployment = await open(2);
    const { deployments, ids, mender } = deployment;
    const [held = '', other = ''] = ids;
    await mender.hold(runOf(held), 'v1');
    await deployment.startWorker('good', 'v2');
    await untilPolled(deployment, 'v2');
    await deployments.setCurrent('v2');
    await deployment.step(ids);
    await deployment.untilLastOn([other], 'v2');
    await deployment.untilLastOn([held], 'v1');
    await mender.release(runOf(held));
    await deployment.step([held]);
    await deployment.untilLastOn([held], 'v2');
    expect(await deployment.completedTasks(other)).toContain('v2');
  });
});

describe('a step that fails on a build', () => {
  test('is repeated at once by the build before, although its next attempt is far away', async () => {
    await using deployment = openClosing();
    const { deployments, mender, steps } = deployment;
    await deployment.startWorker('working', 'v1');
    await deployment.startWorker('working', 'v2', {
      work: async () => {
        throw new Error('This build cannot work.');
      },
    });
    await untilPolled(deployment, 'v1');
    await untilPolled(deployment, 'v2');
    await deployments.manage();
    await deployments.setCurrent('v2');
    const ids = await deployment.startRuns(5);
    await deployment.step(ids);
    const stepsOf = async (workflowId: string) => await steps.readSteps({ workflowId });
    for (const id of ids) {
      await untilTrue(async () => (await stepsOf(id))[0]?.failures === 1, 'its step does not fail');
    }
    await deployments.setCurrent('v1');
    for (const workflowId of ids) await mender.nudge({ workflowId });
    for (const id of ids) await untilTrue(async () => (await stepsOf(id)).length === 0, 'its step is not repeated');
    for (const id of ids) expect((await deployment.completedTasks(id)).at(-1)).toBe('v1');
  });
});

describe.concurrent('a build that lost its tasks', () => {
  test('is drained, and is deleted once its workers have stopped', async () => {
    await using deployment = openClosing();
    const { deployments } = deployment;
    const stop = await deployment.startWorker('good', 'v1');
    await deployment.startWorker('good', 'v2');
    await untilPolled(deployment, 'v1');
    await untilPolled(deployment, 'v2');
    await deployments.manage();
    await deployments.setCurrent('v1');
    await deployments.setCurrent('v2');
    const drained = async () => (await deployments.readRouting())?.builds.filter(({ isDrained }) => isDrained);
    await untilTrue(async () => (await drained())?.some(({ buildId }) => buildId === 'v1') ?? false, 'not drained');
    expect(await deployments.deleteVersion('v1')).toBe(false);
    expect(await deployments.deleteVersion('v2')).toBe(false);
    await stop();
    await untilTrue(async () => {
      await deployments.deleteVersion('v1');
      return (await deployments.readRouting())?.builds.every(({ buildId }) => buildId === 'v2') ?? false;
    }, 'not deleted');
  });
});

function openClosing(): Deployment & AsyncDisposable {
  const deployment = openRoutedDeployment(environment);
  return { ...deployment, [Symbol.asyncDispose]: () => deployment.close() };
}
