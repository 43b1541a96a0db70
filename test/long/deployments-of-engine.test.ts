import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { until as untilTrue } from '../../stack/until.ts';
import type { Service } from '../../workers/services/service.ts';
import { bundleChangedWorkflows, type Change } from '../replay/changed-workflows.ts';
import { buildsOfTasks, settingsOf, untilPolled } from '../support/deployments.ts';
import { createRequestedDeployments, type RequestedDeployments } from '../support/requested-deployments.ts';
import { useRig } from '../support/rig.ts';
import { breakingChange } from '../support/breaking-change.ts';

const rig = useRig({ services: ['event_broker', 'deployer'] });
const limitMs = 240_000;
const quick = {
  steps: [100],
  bake_seconds: 10,
  pollers_deadline_seconds: 60,
  progress_deadline_seconds: 60,
  probe_per_second: 100,
};
let folder: string;
let deployments: RequestedDeployments;
let agentId: string;
let ids: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deployments-'));
  deployments = createRequestedDeployments({
    pool: rig.pool,
    deploymentName: deploymentName(),
    strategy: quick,
    limitMs: 120_000,
  });
  agentId = await rig.publishAgent();
  await startBuild('v1');
  await deployments.until(await deployments.request('v1'), 'promoted');
  ids = await Promise.all(Array.from({ length: 4 }, () => rig.insertInstance(agentId)));
  await Promise.all(ids.map((id) => rig.bus.until(id, 'instance.updated', 'running')));
}, limitMs);

afterAll(() => rm(folder, { recursive: true, force: true }));

const deploymentName = () => rig.environment.TASK_QUEUE;

async function startBuild(buildId: string, ...changes: Change[]): Promise<Service> {
  const build = { deploymentName: deploymentName(), buildId };
  const file = join(folder, `${buildId}.js`);
  if (changes.length > 0) await writeFile(file, (await bundleChangedWorkflows(changes)).code);
  const worker = await rig.startAgentsWorker({
    ...settingsOf(build),
    ...(changes.length > 0 && { WORKFLOW_BUNDLE: file }),
  });
  await worker.ready();
  await untilPolled(rig.client, build, rig.environment.TASK_QUEUE);
  return worker;
}

test(
  'a build that breaks replay is refused without a task, and its reason names the histories and what differs',
  async () => {
    const { request, until } = deployments;
    const worker = await startBuild('breaks', breakingChange);
    const { gate, reason } = await until(await request('breaks'), 'refused', 'gate_failed');
    expect(gate).toMatchObject({ replayed: 0, failed: ids.length });
    expect(reason?.message).toMatch(
      /The build breaks cannot replay 4 of 4 histories\. instance\/[0-9a-f-]{36}: .*runAgent/s,
    );
    for (const id of ids) expect(await buildsOfTasks(rig.client, instanceWorkflowId(id))).not.toContain('breaks');
    await worker.stop();
  },
  limitMs,
);

test(
  'the same build without a gate is ramped and rolled back, and no instance is restarted',
  async () => {
    const { request, until } = deployments;
    const worker = await startBuild('ungated', breakingChange);
    const processes = await Promise.all(ids.map((id) => rig.processes(id)));
    await until(await request('ungated', { gate: 'off' }), 'rolled_back', 'task_failures');
    expect(await Promise.all(ids.map((id) => rig.processes(id)))).toEqual(processes);
    await worker.stop();
  },
  limitMs,
);

test(
  'a build that would restart agents is refused for its blast radius',
  async () => {
    const { request, until } = deployments;
    const worker = await startBuild('restarts', {
      file: 'decide.ts',
      from: "runtime.kind === 'running' ? runtime.generation : generation) ?? wait",
      to: "runtime.kind === 'running' ? runtime.generation : generation) ?? provisionOf(state, generation)",
    });
    const { blast_radius: radius, reason } = await until(await request('restarts'), 'refused', 'blast_radius_exceeded');
    expect(radius).toMatchObject({ disruptive: ids.length });
    expect(reason?.message).toMatch(/would restart or stop 4 instances at their next task, and at most 0 are allowed/);
    await worker.stop();
  },
  limitMs,
);

test(
  'a good build proves itself by a canary, is promoted, carries every instance on, and is taken back by a person',
  async () => {
    const { request, want, until } = deployments;
    await startBuild('good', { file: 'describe-progress.ts', from: 'At rest', to: 'Resting' });
    const processes = await Promise.all(ids.map((id) => rig.processes(id)));
    const id = await request('good', { canary_agent_id: agentId });
    await until(id, 'promoted');
    await rig.pool.query(`update instances set config = '{"changed": true}' where id = $1`, [ids[0]]);
    await rig.bus.until(ids[0] ?? '', 'instance.updated', 'running');
    await untilTrue(
      async () => (await buildsOfTasks(rig.client, instanceWorkflowId(ids[0] ?? ''))).includes('good'),
      60_000,
    );
    expect(await buildsOfTasks(rig.client, instanceWorkflowId(ids[0] ?? ''))).toContain('good');
    await want(id, 'rolled_back');
    await until(id, 'rolled_back', 'rollback_requested');
    expect(await Promise.all(ids.slice(1).map((instanceId) => rig.processes(instanceId)))).toEqual(processes.slice(1));
    expect(rig.fatal).toEqual([]);
  },
  limitMs,
);
