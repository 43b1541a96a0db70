import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { createDeploymentRows } from '../support/deployment-rows.ts';
import { usePages } from '../support/open-page.ts';
import { largestBytes, takePicture } from '../support/picture.ts';

const { rig, pages } = usePages();

test('the pictures are taken, and none is large', async () => {
  const userId = randomUUID();
  const failed = await pages.insertInstance(userId, { interval_ms: 1000, fail_after_ms: 1500 });
  const stopped = await pages.insertInstance(userId);
  await pages.insertInstance(userId, { interval_ms: 5000 });
  await rig.bus.until(failed, 'instance.updated', 'failed');
  await rig.bus.until(stopped, 'instance.updated', 'running');
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [stopped]);
  await rig.bus.until(stopped, 'instance.updated', 'stopped');

  const list = await pages.signIn({ userId, viewport: { width: 1000, height: 420 } });
  await list.locator('.badge.is-running').waitFor();
  expect(await takePicture(list, 'instances')).toBeLessThan(largestBytes);

  const life = await pages.signIn({ userId, view: `#/instances/${failed}`, viewport: { width: 1000, height: 900 } });
  await life.getByText('as the config asks for').first().waitFor();
  await life.getByLabel('workflow').uncheck();
  expect(await takePicture(life, 'instance')).toBeLessThan(largestBytes);

  const small = { viewport: { width: 360, height: 640 }, isMobile: true, colorScheme: 'dark' } as const;
  const dark = await pages.signIn({ userId, ...small });
  await dark.locator('.badge.is-running').waitFor();
  expect(await takePicture(dark, 'phone')).toBeLessThan(largestBytes);

  const admin = await pages.signIn({ isAdmin: true, view: '#/audit', viewport: { width: 1000, height: 640 } });
  await admin.getByRole('button', { name: 'Verify the trail' }).click();
  await admin.getByText('intact', { exact: true }).waitFor();
  expect(await takePicture(admin, 'audit')).toBeLessThan(largestBytes);
  const underWay = await rollOut('exec sleep 100000', 'wave 2 ·');
  expect(await takePicture(underWay, 'rollout')).toBeLessThan(largestBytes);
  const back = await rollOut('echo the licence has expired >&2; exit 3', 'reverted');
  await back.locator('.heading').getByText('rolled back', { exact: true }).waitFor();
  expect(await takePicture(back, 'rolled-back')).toBeLessThan(largestBytes);
  expect(await takePicture(await deploy(failed), 'deployment')).toBeLessThan(largestBytes);
});

/** The page of a rollout to a version that runs this script, once it says so. */
async function rollOut(script: string, until: string): Promise<Page> {
  const agentId = await rig.publishAgent();
  await rig.pool.query(`update agents set name = 'assistant' where id = $1`, [agentId]);
  const ids = await Promise.all(Array.from({ length: 6 }, () => rig.insertInstance(agentId)));
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
  const runtime = { kind: 'process', command: ['sh', '-c', script], stop_grace_seconds: 2 };
  await rig.pool.query(`update agents set version = '1.1.0', runtime = $2 where id = $1`, [agentId, runtime]);
  const strategy = { canary: { count: 1 }, max_parallel: { count: 2 }, min_healthy_seconds: 4 };
  const { rows } = await rig.pool.query<{ id: string }>(
    `insert into rollouts (agent_id, version, strategy, requested_by) values ($1, '1.1.0', $2, 'command line: ci') returning id`,
    [agentId, strategy],
  );
  const view = `#/rollouts/${rows[0]?.id}`;
  const page = await pages.signIn({ isAdmin: true, view, viewport: { width: 1000, height: 900 } });
  await page.locator('.heading').getByText(until).waitFor({ timeout: 60_000 });
  return page;
}

/** The page of a deployment in its second step. The deployer is played by calls of its functions. */
async function deploy(instanceId: string): Promise<Page> {
  const rows = await createDeploymentRows(rig.environment.DATABASE_URL, 'agents-worker');
  const id = await rows.request(rows.builds.candidate, { steps: [1, 10, 50, 100], max_failures: 1 });
  await rows.record(id, 'ramping', {
    percentage: 10,
    step: 2,
    gate: { replayed: 12, failed: 0, problems: [], examples: [] },
    blast_radius: {
      examined: 12,
      changed: 1,
      disruptive: 0,
      effects: { record: 1 },
      examples: [{ workflow_id: `instance/${instanceId}`, effect: 'record' }],
    },
  });
  await rows.find(id, 'task_failed', [{ instance_id: instanceId, message: 'The workflow task timed out.' }]);
  await rows.close();
  const page = await pages.signIn({
    isAdmin: true,
    view: `#/deployments/${id}`,
    viewport: { width: 1000, height: 1150 },
  });
  await page.getByText('The workflow task timed out.').waitFor();
  return page;
}
