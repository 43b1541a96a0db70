import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { BuildOfDeployment } from '../../contracts/names.ts';
import { listBuilds, readDeployment } from '../../database/deployments/list.ts';
import { requestDeployment } from '../../database/deployments/request.ts';
import { explanation } from '../../explain/explanation.ts';
import { instanceMessageSignal } from '../../workflows/messages.ts';
import { buildsOfTasks, makeCurrent, settingsOf, untilPolled } from '../support/deployments.ts';
import { bundleChangedWorkflows } from '../replay/changed-workflows.ts';
import { runInstances } from '../support/command-line.ts';
import { openRig, type Rig } from '../support/rig.ts';
import { startWorkerProcess } from '../support/worker-process.ts';
import { breakingChange } from '../support/breaking-change.ts';

const patience = { timeout: 45_000, interval: 100 };

async function openOwnRig(settings: Record<string, string> = {}): Promise<Rig> {
  const rig = await openRig({ settings });
  onTestFinished(() => rig.close(), 90_000);
  await (await rig.startEventBroker()).ready();
  return rig;
}

const buildOf = (rig: Rig, buildId: string): BuildOfDeployment => ({
  deploymentName: rig.environment.TASK_QUEUE,
  buildId,
});

async function startBuild(rig: Rig, buildId: string, settings: Record<string, string> = {}) {
  const build = buildOf(rig, buildId);
  const worker = await rig.startAgentsWorker({ ...settingsOf(build), ...settings });
  await worker.ready();
  await untilPolled(rig.client, build, rig.environment.TASK_QUEUE);
  return { ...worker, build };
}

async function hostIdOf(rig: Rig, name: string): Promise<string> {
  const { rows } = await rig.pool.query<{ id: string }>('select id from hosts where name = $1', [name]);
  return rows[0]?.id ?? '';
}

const changeConfig = (rig: Rig, id: string) =>
  rig.pool.query('update instances set config = $2 where id = $1', [id, { round: randomUUID() }]);

const untilObserved = (rig: Rig, id: string, generation: number) =>
  vi.waitUntil(async () => {
    const { rows } = await rig.pool.query(
      "select from instances where id = $1 and observed_generation = $2 and status = 'running'",
      [id, generation],
    );
    return rows.length === 1;
  }, patience);

const sweepIntervalOf = async (rig: Rig) => {
  const { spec } = await rig.client.schedule.getHandle(`sweeper/${rig.environment.TASK_QUEUE}`).describe();
  return spec.intervals?.[0]?.every;
};

test('side by side on one host, a build gets tasks once it is current, and the agents of the other one live on', async () => {
  const rig = await openOwnRig();
  const agentId = await rig.publishAgent();
  const first = await startBuild(rig, '1.0.0-a');
  await makeCurrent(rig.client, first.build);
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const [pid] = await rig.processes(id);
  const second = await startBuild(rig, '1.0.0+b');
  await changeConfig(rig, id);
  await untilObserved(rig, id, 2);
  expect(new Set(await buildsOfTasks(rig.client, `instance/${id}`))).toEqual(new Set(['1.0.0-a']));
  const [replaced] = await rig.processes(id);
  expect(replaced).not.toBe(pid);

  await makeCurrent(rig.client, second.build);
  await rig.workflow(id).signal(instanceMessageSignal, { type: 'checkRequested' });
  await vi.waitUntil(async () => (await buildsOfTasks(rig.client, `instance/${id}`)).includes('1.0.0+b'), patience);
  await first.stop();
  expect(await rig.processes(id)).toEqual([replaced]);
  await changeConfig(rig, id);
  await untilObserved(rig, id, 3);
  expect((await buildsOfTasks(rig.client, `instance/${id}`)).at(-1)).toBe('1.0.0+b');

  const { out } = await runInstances(['explain', id, '--json'], rig.environment);
  const { timeline } = explanation.parse(JSON.parse(out));
  expect(timeline.flatMap(({ text }) => (text.includes('goes on from here') ? [text] : []))).toEqual([
    'the build 1.0.0-a goes on from here',
    'the build 1.0.0+b goes on from here',
  ]);
  const provisions = timeline.filter(({ text }) => text.includes('provisioned as runtime'));
  // The check may come together with the new config.
  const builds = provisions.map(({ build }) => build);
  expect(builds.slice(0, 2)).toEqual(['1.0.0-a', '1.0.0-a']);
  expect(new Set(builds.slice(2))).toEqual(new Set(['1.0.0+b']));
  expect(provisions.at(-1)?.text).toContain('by the build 1.0.0+b)');
  const steps = timeline.filter(({ source, text }) => source === 'workflow' && / done: .*running recorded/.test(text));
  expect(new Set(steps.map(({ build }) => build))).toEqual(new Set(['1.0.0-a', '1.0.0+b']));
}, 120_000);

test('an agent that the old build started beside the new one is looked after by the new one once the old one has stopped', async () => {
  const rig = await openOwnRig();
  const agentId = await rig.publishAgent({
    command: ['sh', '-c', 'while [ ! -e go ]; do sleep 0.05; done'],
    restart: { policy: 'on_failure', backoff_seconds: 1 },
  });
  const [first, second] = [await startBuild(rig, 'a'), await startBuild(rig, 'b')];
  await makeCurrent(rig.client, first.build);
  const [seen, unseen] = [await rig.insertInstance(agentId), await rig.insertInstance(agentId)];
  await Promise.all([seen, unseen].map((id) => rig.bus.until(id, 'instance.updated', 'running')));
  const end = (id: string) => writeFile(join(rig.environment.RUNTIME_DIRECTORY, `instance-${id}`, 'state', 'go'), '');

  // Exit code 0 is no failure, whichever build hears of it. The build that started the agent alone knows it.
  await end(seen);
  const completed = await rig.bus.until(seen, 'instance.updated', 'failed');
  expect(JSON.stringify(completed)).toContain('exit code 0');

  await makeCurrent(rig.client, second.build);
  await first.stop();
  await end(unseen);
  await vi.waitUntil(async () => (await buildsOfTasks(rig.client, `instance/${unseen}`)).includes('b'), patience);
}, 120_000);

test('an instance on a host without a worker of the current build is stopped and started by the worker that is there', async () => {
  const rig = await openOwnRig();
  const agentId = await rig.publishAgent();
  const old = await startBuild(rig, 'a', { HOST_NAME: 'old' });
  await makeCurrent(rig.client, old.build);
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const { rows } = await rig.pool.query<{ host_id: string }>('select host_id from placements where instance_id = $1', [
    id,
  ]);
  expect(rows).toEqual([{ host_id: await hostIdOf(rig, 'old') }]);

  const elsewhere = join(rig.environment.RUNTIME_DIRECTORY, 'elsewhere');
  const added = await startBuild(rig, 'b', { HOST_NAME: 'new', RUNTIME_DIRECTORY: elsewhere });
  await makeCurrent(rig.client, added.build, { ignoreMissingTaskQueues: true });
  await changeConfig(rig, id);
  await untilObserved(rig, id, 2);
  expect((await buildsOfTasks(rig.client, `instance/${id}`)).at(-1)).toBe('b');
  const { out } = await runInstances(['explain', id, '--json'], rig.environment);
  const provisions = explanation
    .parse(JSON.parse(out))
    .timeline.filter(({ text }) => text.includes('provisioned as runtime'));
  expect(provisions.map(({ build }) => build)).toEqual(['a', undefined]);
  const placed = await rig.pool.query<{ host_id: string }>('select host_id from placements where instance_id = $1', [
    id,
  ]);
  expect(placed.rows).toEqual(rows);
  await rig.deleteInstance(id);
  await rig.bus.until(id, 'instance.updated', 'stopped');
}, 120_000);

test('an instance that the code of its next build cannot carry on is explained with that build, and goes on with the one before', async () => {
  const rig = await openOwnRig();
  const agentId = await rig.publishAgent();
  const first = await startBuild(rig, 'a');
  await makeCurrent(rig.client, first.build);
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const file = join(rig.environment.RUNTIME_DIRECTORY, 'b.js');
  await writeFile(file, (await bundleChangedWorkflows([breakingChange])).code);
  const second = await startBuild(rig, 'b', { WORKFLOW_BUNDLE: file });
  await makeCurrent(rig.client, second.build);
  await changeConfig(rig, id);
  await vi.waitUntil(async () => {
    const { raw } = await rig.workflow(id).describe();
    return (raw.pendingWorkflowTask?.attempt ?? 1) > 1;
  }, patience);
  const { out } = await runInstances(['explain', id, '--json'], rig.environment);
  const { verdict, timeline } = explanation.parse(JSON.parse(out));
  expect(verdict).toMatchObject({
    state: 'waiting',
    sentence: expect.stringContaining('the workflow code of the build b fails'),
  });
  expect(timeline.filter(({ build }) => build === 'b')).toEqual([
    expect.objectContaining({
      bad: true,
      text: expect.stringMatching(/^the workflow code of the build b could not go on: .*runAgent/),
    }),
  ]);
  await makeCurrent(rig.client, first.build);
  await untilObserved(rig, id, 2);
}, 120_000);

test('the schedule of the sweeper follows the current build, not the one that was started last', async () => {
  const rig = await openOwnRig();
  const first = await startBuild(rig, 'a', { SWEEP_INTERVAL_SECONDS: '31' });
  await makeCurrent(rig.client, first.build);
  await vi.waitFor(async () => expect(await sweepIntervalOf(rig)).toBe(31_000), patience);
  const second = await startBuild(rig, 'b', { SWEEP_INTERVAL_SECONDS: '32' });
  expect(await sweepIntervalOf(rig)).toBe(31_000);
  await makeCurrent(rig.client, second.build);
  await vi.waitFor(async () => expect(await sweepIntervalOf(rig)).toBe(32_000), patience);
  await makeCurrent(rig.client, first.build);
  await vi.waitFor(async () => expect(await sweepIntervalOf(rig)).toBe(31_000), patience);
}, 180_000);

test('a message that only a later build knows changes nothing, and is logged', async () => {
  const rig = await openOwnRig();
  const worker = startWorkerProcess('agents-worker', rig.environmentOf('agents_worker'));
  onTestFinished(async () => void (await worker.kill('SIGTERM')));
  const id = await rig.insertInstance(await rig.publishAgent());
  await rig.bus.until(id, 'instance.updated', 'running');
  const before = await rig.processes(id);
  await rig.workflow(id).signal<[{ type: string }]>('instanceMessage', { type: 'ofALaterBuild' });
  await vi.waitUntil(() => worker.output().includes('ofALaterBuild'), patience);
  expect(await rig.processes(id)).toEqual(before);
  await rig.deleteInstance(id);
  await rig.bus.until(id, 'instance.updated', 'stopped');
});

test('without a deployment name, agents_worker is unversioned', async () => {
  const rig = await openOwnRig();
  await (await rig.startAgentsWorker()).ready();
  const id = await rig.insertInstance(await rig.publishAgent());
  await rig.bus.until(id, 'instance.updated', 'running');
  expect(new Set(await buildsOfTasks(rig.client, `instance/${id}`))).toEqual(new Set(['unversioned']));
});

test('a build says that it runs, so that it can be deployed, and an unversioned worker says nothing', async () => {
  const rig = await openOwnRig();
  const builds = async () => {
    const found = await listBuilds(rig.pool);
    return found.map(({ build_id: id, is_running: runs }) => [id, runs]);
  };
  await (await rig.startAgentsWorker()).ready();
  expect(await builds()).toEqual([]);
  const worker = await startBuild(rig, '1.0.0-a');
  expect(await builds()).toEqual([['1.0.0-a', true]]);
  const { id } = await requestDeployment(rig.pool, { ...worker.build, strategy: {}, requestedBy: 'a test' });
  expect(await readDeployment(rig.pool, id)).toMatchObject({ status: 'requested', previous_build_id: null });
  await worker.stop();
  // Nobody says so any more.
  await rig.pool.query('update worker_builds set seen_until = clock_timestamp()');
  expect(await builds()).toEqual([['1.0.0-a', false]]);
}, 120_000);
