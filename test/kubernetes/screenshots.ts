import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { removeInstances, settingsOf, smallAgent, untilGo, useNamespace } from '../support/kubernetes/engine.ts';
import { openNamespace } from '../support/kubernetes/namespace.ts';
import { createPodRig } from '../support/kubernetes/pods.ts';
import { usePages } from '../support/open-page.ts';
import { largestBytes, takePicture } from '../support/picture.ts';

const patience = { timeout: 90_000 };
const north = useNamespace('agents-north');
const { rig, pages } = usePages({ openSettings: () => ({ ...settingsOf(north), HOST_NAME: 'worker-1' }) });

const publish = async (...command: string[]): Promise<string> => {
  const agentId = await rig.publishAgent({ ...smallAgent, command });
  await rig.pool.query(`update agents set name = 'assistant' where id = $1`, [agentId]);
  return agentId;
};
const run = async (agentId: string): Promise<string> => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  return id;
};
const open = (view: string, height: number) => pages.signIn({ isAdmin: true, view, viewport: { width: 1000, height } });

test('a pod that runs, and one that failed', async () => {
  const id = await run(await publish('sh', '-c', `echo ready; ${untilGo}; echo the licence has expired; exit 3`));
  const page = await open(`#/instances/${id}`, 700);
  await page.getByText('Runs as').waitFor(patience);
  await page.getByText('search attribute InstanceStatus running').waitFor(patience);
  expect(await takePicture(page, 'pod-running')).toBeLessThan(largestBytes);
  await createPodRig(north).go(id);
  const after = await open(`#/instances/${id}`, 900);
  await after.locator('.heading').getByText('failed', { exact: true }).waitFor(patience);
  await after.locator('.verdict').getByText('The agent ended with exit code 3.').waitFor(patience);
  await after.getByText('Ran last as').waitFor(patience);
  await after.getByLabel('workflow').uncheck();
  expect(await takePicture(after, 'pod-failed')).toBeLessThan(largestBytes);
});

test('a rollout that replaced every pod', async () => {
  const agentId = await publish('sleep', '1000');
  for (let count = 0; count < 4; count += 1) await run(agentId);
  const runtime = { ...smallAgent, command: ['sleep', '1001'] };
  await rig.pool.query(`update agents set version = '1.1.0', runtime = $2 where id = $1`, [agentId, runtime]);
  const strategy = { canary: { count: 1 }, max_parallel: { count: 2 }, min_healthy_seconds: 2 };
  const { rows } = await rig.pool.query<{ id: string }>(
    `insert into rollouts (agent_id, version, strategy, requested_by) values ($1, '1.1.0', $2, 'command line: ci') returning id`,
    [agentId, strategy],
  );
  const page = await open(`#/rollouts/${rows[0]?.id}`, 800);
  await page.locator('.heading').getByText('completed', { exact: true }).waitFor({ timeout: 180_000 });
  expect(await takePicture(page, 'pod-rollout')).toBeLessThan(largestBytes);
});

test('a namespace that is drained', async () => {
  await removeInstances(rig);
  const agentId = await publish('sleep', '1000');
  for (let count = 0; count < 3; count += 1) await run(agentId);
  const south = await openNamespace(inject('kubernetes')?.kubeconfig ?? '', 'agents-south');
  onTestFinished(() => south.close());
  const folder = await mkdtemp(join(tmpdir(), 'instances-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const worker = await rig.startAgentsWorker({
    ...settingsOf(south),
    HOST_NAME: 'worker-2',
    RUNTIME_DIRECTORY: folder,
  });
  const page = await open('#/hosts', 560);
  const rowOf = (name: string) => page.locator('.row', { hasText: name });
  onTestFinished(async () => {
    await removeInstances(rig);
    await worker.stop();
  });
  await rowOf('agents-south').getByText('1 worker').waitFor(patience);
  await rowOf('agents-north').getByRole('button', { name: 'Drain …' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
  await rowOf('agents-north').getByText('Nothing is left').waitFor(patience);
  await rowOf('agents-south').getByText('3 instances').waitFor(patience);
  expect(await takePicture(page, 'pod-drained')).toBeLessThan(largestBytes);
});
