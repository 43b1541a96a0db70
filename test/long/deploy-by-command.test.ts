import { expect, onTestFinished, test, vi } from 'vitest';
import { instanceMessageSignal } from '../../workflows/messages.ts';
import { runInstances } from '../support/command-line.ts';
import { buildsOfTasks, settingsOf, untilPolled } from '../support/deployments.ts';
import { openRig, type Rig } from '../support/rig.ts';

/** What a pipeline does: it starts the workers of a build and runs one command. Everything is real. */

const patience = { timeout: 60_000, interval: 100 };

async function startBuild(rig: Rig, buildId: string): Promise<void> {
  const build = { deploymentName: rig.environment.TASK_QUEUE, buildId };
  await (await rig.startAgentsWorker(settingsOf(build))).ready();
  await untilPolled(rig.client, build, rig.environment.TASK_QUEUE);
}

test('a build is deployed by one command, the next one as well, and that one is taken back by another', async () => {
  const rig = await openRig();
  onTestFinished(() => rig.close(), 90_000);
  await rig.startServices(['event_broker', 'deployer']);
  const run = (...args: string[]) =>
    runInstances(args, {
      DATABASE_URL: rig.environment.DATABASE_URL,
      TEMPORAL_DEPLOYMENT_NAME: rig.environment.TASK_QUEUE,
    });
  const deploy = (build: string, ...args: string[]) =>
    run('deploy', build, '--bake', '10', '--wait', '--timeout', '3m', ...args);
  const untilCarriedBy = async (id: string, build: string): Promise<void> => {
    await rig.workflow(id).signal(instanceMessageSignal, { type: 'checkRequested' });
    await vi.waitUntil(async () => (await buildsOfTasks(rig.client, `instance/${id}`)).at(-1) === build, patience);
  };

  await startBuild(rig, '1.0.0-a');
  expect(await deploy('1.0.0-a', '--steps', '100')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^The build 1\.0\.0-a is promoted\./) as string,
  });
  const id = await rig.insertInstance(await rig.publishAgent());
  await rig.bus.until(id, 'instance.updated', 'running');
  const agents = await rig.processes(id);

  await startBuild(rig, '1.1.0+b');
  // Otherwise the first step would be as large as it takes to reach the only instance.
  const { code, errors } = await deploy('1.1.0+b', '--steps', '50,100', '--min-instances', '0');
  expect([code, errors]).toEqual([
    0,
    expect.stringMatching(/It is ramping: the candidate serves 50 % of the instances/),
  ]);
  await untilCarriedBy(id, '1.1.0+b');
  expect((await run('deployments', 'show', '1.1.0+b')).out).toMatch(/Gate: [1-9]\d* histories replayed, 0 cannot/);

  expect(await run('deployments', 'rollback', '1.1.0+b')).toMatchObject({ code: 0 });
  expect(await run('deployments', 'watch', '1.1.0+b', '--timeout', '2m')).toMatchObject({
    code: 3,
    errors: expect.stringContaining('It is rolled back: ') as string,
  });
  await untilCarriedBy(id, '1.0.0-a');
  expect(await rig.processes(id)).toEqual(agents);
  expect(rig.fatal).toEqual([]);
}, 300_000);
