import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { gateWorkflowType, instanceWorkflowId } from '../../contracts/names.ts';
import { stackRoot } from '../../stack/paths.ts';
import type { gateWorkflow } from '../../workflows/gate/gate-workflow.ts';
import { bundleChangedWorkflows, type Change } from '../replay/changed-workflows.ts';
import { useBuilds } from '../support/builds.ts';
import { makeCurrent } from '../support/deployments.ts';
import { useRig, type Rig } from '../support/rig.ts';
import { breakingChange } from '../support/breaking-change.ts';

/** Code that repeats every history, and would start the agent of each instance at rest again. */
const startsAgain: Change = {
  file: 'decide.ts',
  from: "runtime.kind === 'running' ? runtime.generation : generation) ?? wait",
  to: "runtime.kind === 'running' ? runtime.generation : generation) ?? provisionOf(state, generation)",
};

async function runInstances(rig: Rig): Promise<string[]> {
  const agentId = await rig.publishAgent();
  const ids = await Promise.all(Array.from({ length: 4 }, () => rig.insertInstance(agentId)));
  await Promise.all(ids.map((id) => rig.bus.until(id, 'instance.updated', 'running')));
  return ids;
}

describe('a gate', () => {
  const rig = useRig({ services: ['event_broker'] });
  const builds = useBuilds(rig);
  let ids: string[];

  beforeAll(async () => {
    const current = await builds.start('current');
    await makeCurrent(rig.client, current.build);
    ids = await runInstances(rig);
  });

  /** The builds that were given a task of a live instance, whatever came of it. */
  async function buildsOfInstances(): Promise<Set<string>> {
    const histories = await Promise.all(ids.map((id) => rig.workflow(id).fetchHistory()));
    const events = histories.flatMap((history) => history.events ?? []);
    expect(events.some(({ workflowTaskFailedEventAttributes: failed }) => failed)).toBe(false);
    return new Set(
      events.flatMap(({ workflowTaskCompletedEventAttributes: completed }) =>
        completed ? [completed.deploymentVersion?.buildId ?? 'unversioned'] : [],
      ),
    );
  }

  test('finds a build that does not repeat what runs on its own workers, without a task of an instance', async () => {
    const candidate = await builds.startChanged('breaks', breakingChange);
    const { replayed, failures, changes } = await builds.gate(candidate.build, ids);
    expect(replayed).toBe(0);
    expect(failures.map(({ workflowId }) => workflowId).toSorted()).toEqual(ids.map(instanceWorkflowId).toSorted());
    for (const { message } of failures) expect(message).toMatch(/nondeterminism.*runAgent/is);
    expect(changes).toEqual([]);
    expect(await buildsOfInstances()).toEqual(new Set(['current']));
    await candidate.stop();
  }, 120_000);

  test('passes a build that repeats what runs, and would leave every instance alone', async () => {
    const candidate = await builds.startChanged('good', {
      file: 'describe-progress.ts',
      from: 'At rest',
      to: 'Resting',
    });
    expect(await builds.gate(candidate.build, ids, { checksCandidate: true })).toEqual({
      replayed: ids.length,
      notBegun: 0,
      vanished: 0,
      examined: ids.length,
      underWay: 0,
      failures: [],
      changes: [],
      problems: [],
    });
    expect(await buildsOfInstances()).toEqual(new Set(['current']));
    await candidate.stop();
  }, 120_000);

  test('names the instances that a build would restart at their next task', async () => {
    const candidate = await builds.startChanged('restarts', startsAgain);
    const { failures, changes } = await builds.gate(candidate.build, ids);
    expect(failures).toEqual([]);
    expect(changes.map(({ instanceId, effect }) => ({ instanceId, effect }))).toEqual(
      ids.map((instanceId) => ({ instanceId, effect: 'restart' })),
    );
    expect(await buildsOfInstances()).toEqual(new Set(['current']));
    await candidate.stop();
  }, 120_000);

  test('is answered by no other build', async () => {
    const current = { deploymentName: rig.environment.TASK_QUEUE, buildId: 'current' };
    const gate = await rig.client.workflow.start<typeof gateWorkflow>(gateWorkflowType, {
      workflowId: `gate/${randomUUID()}`,
      taskQueue: rig.environment.TASK_QUEUE,
      args: [{ buildId: 'other', runs: [], checksCandidate: false }],
      versioningOverride: { pinnedTo: current },
    });
    await vi.waitFor(async () => {
      const { pendingActivities } = (await gate.describe()).raw;
      expect(pendingActivities?.[0]?.lastFailure?.message).toBe(
        'The build other has to answer, and this worker is the build current.',
      );
    }, 20_000);
    await gate.terminate();
  });

  test('names the migrations that the database lacks', async () => {
    const { rows } = await rig.pool.query<{ name: string }>(
      'delete from migrations where id = (select max(id) from migrations) returning name',
    );
    const current = { deploymentName: rig.environment.TASK_QUEUE, buildId: 'current' };
    const { problems } = await builds.gate(current, ids, { checksCandidate: true });
    await rig.pool.query('insert into migrations (name, run_on) values ($1, now())', [rows[0]?.name]);
    expect(problems).toEqual([
      { code: 'migrations_missing', message: expect.stringContaining(`${rows[0]?.name}): run \`npm run migrate\``) },
    ]);
  }, 120_000);
});

describe('a gate for runs that were handed on a state', () => {
  const rig = useRig({
    services: ['event_broker'],
    makeBundle: async () => {
      const file = join(stackRoot, 'renewing-workflows.js');
      // The config changes, and the next run begins.
      const renews = { file: 'instance-workflow.ts', from: 'longestHistory = 1_000', to: 'longestHistory = 18' };
      await writeFile(file, (await bundleChangedWorkflows([renews])).code);
      return file;
    },
  });
  const builds = useBuilds(rig);

  async function isContinued(id: string): Promise<boolean> {
    const { events } = await rig.workflow(id).fetchHistory();
    return Boolean(events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId);
  }

  test('passes a build that would leave them alone, and finds one that would restart them', async () => {
    const current = await builds.start('current');
    await makeCurrent(rig.client, current.build);
    const ids = await runInstances(rig);
    await rig.pool.query(`update instances set config = '{"round": 2}'`);
    await vi.waitFor(async () => {
      const { rows } = await rig.pool.query(
        "select from instances where observed_generation = 2 and status = 'running'",
      );
      expect(rows).toHaveLength(ids.length);
      for (const id of ids) expect(await isContinued(id)).toBe(true);
    }, 40_000);
    const good = await builds.start('good', { WORKFLOW_BUNDLE: inject('workflowBundle') });
    expect(await builds.gate(good.build, ids)).toMatchObject({
      replayed: ids.length,
      examined: ids.length,
      failures: [],
      changes: [],
    });
    const bad = await builds.startChanged('restarts', startsAgain);
    expect(await builds.gate(bad.build, ids)).toMatchObject({
      replayed: ids.length,
      examined: ids.length,
      failures: [],
      changes: ids.map((instanceId) => ({ instanceId, effect: 'restart' })),
    });
  }, 120_000);
});
