import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createDeploymentRows, type DeploymentRows } from '../support/deployment-rows.ts';
import { usePages } from '../support/open-page.ts';

describe.skipIf(inject('chromium') === null)('an admin deploys', () => {
  const { rig, pages } = usePages();
  /** The deployer is played by calls of its functions. */
  let rows: DeploymentRows;
  let instanceId: string;

  beforeAll(async () => {
    rows = await createDeploymentRows(rig.environment.DATABASE_URL);
    instanceId = await pages.insertInstance(randomUUID());
    await rig.bus.until(instanceId, 'instance.updated', 'running');
  });
  afterAll(() => rows.close());

  test('a build that is seen: its gate, its blast radius, each step, and the promotion', async () => {
    const page = await pages.signIn({ isAdmin: true, view: '#/deployments' });
    const builds = page.getByRole('list', { name: 'Builds' }).getByRole('listitem');
    await builds.filter({ hasText: rows.builds.previous }).getByText('current').waitFor();
    await page.getByRole('link', { name: `Deploy … ${rows.builds.candidate}` }).click();
    expect(await page.getByLabel('Deployment name').inputValue()).toBe(rows.deploymentName);
    const strategy = page.getByLabel('Strategy, as JSON');
    await strategy.fill('{"steps": [10, 5, 100]}');
    await page.getByRole('button', { name: 'Deploy', exact: true }).click();
    await page.getByRole('alert').getByText('steps: The steps have to rise').waitFor();
    await strategy.fill('{"steps": [10, 100]}');
    await page.getByRole('button', { name: 'Deploy', exact: true }).click();
    await page.getByText('is requested.').waitFor();
    await page.getByText('The candidate has not replayed the open histories.').waitFor();

    const id = /deployments\/([\da-f-]{36})/.exec(page.url())?.[1] ?? '';
    const workflow_id = `instance/${instanceId}`;
    await rows.record(id, 'ramping', {
      percentage: 10,
      step: 1,
      gate: { replayed: 12, failed: 0, problems: [], examples: [] },
      blast_radius: {
        examined: 12,
        changed: 1,
        disruptive: 1,
        effects: { restart: 1 },
        examples: [{ workflow_id, effect: 'restart' }],
      },
    });
    await page.getByText('12 histories were replayed, 0 cannot be replayed.').waitFor();
    await page.getByText('do something with 1 at their next task, and restart or stop 1.').waitFor();
    const steps = page.getByRole('list', { name: 'Steps' }).getByRole('listitem');
    expect(await steps.allTextContents()).toEqual(['now10 % of the instances', 'to come100 % of the instances']);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Promote' }).click();
    await page.getByText('The candidate is to become the current build.').waitFor();
    expect(await rows.deployment(id)).toMatchObject({ desired_state: 'promoted' });
    await rows.record(id, 'promoted', { percentage: 100, step: 2 });
    await expect
      .poll(() => steps.allTextContents())
      .toEqual(['done10 % of the instances', 'done100 % of the instances']);
    await page.locator('[data-blast-radius]').getByRole('link').click();
    await page.getByRole('heading', { name: /^heartbeat/ }).waitFor();

    await page.getByRole('link', { name: 'Deployments' }).click();
    await page.locator(`[data-deployment="${id}"]`, { hasText: 'promoted' }).waitFor();
    // The page reads the audit log once.
    await expect
      .poll(async () => (await rows.pool.query(`select from audit_log where type = 'deployment.promoted'`)).rowCount)
      .toBe(1);
    await page.goto(`${pages.url}/#/audit?type=deployment.promoted`);
    await page.getByRole('listitem').filter({ hasText: 'deployment.promoted' }).getByRole('link').first().click();
    await page.getByRole('heading', { name: rows.builds.candidate }).waitFor();
    await rows.record(id, 'drained');
    // The refusal of the strategy, which the console tells of as well.
    expect(pages.errors).toHaveLength(1);
  });

  test('a build that fails, and rolls it back once the previous build runs', async () => {
    const id = await rows.request(rows.builds.next);
    await rows.record(id, 'ramping', { percentage: 50, step: 3 });
    await rows.find(id, 'task_failed', [{ instance_id: instanceId, message: 'Nondeterminism error' }]);
    await rows.announce(rows.builds.previous, 0);
    const page = await pages.signIn({ isAdmin: true, view: `#/deployments/${id}` });
    const found = page.getByRole('list', { name: 'Instances of the deployment' }).getByRole('listitem');
    await expect
      .poll(() => found.allTextContents())
      .toEqual([expect.stringMatching(/^task failedInstance .*running.*Nondeterminism error/)]);
    const rollBack = async (): Promise<void> => {
      await page.getByRole('button', { name: 'Roll back …' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
    };
    await rollBack();
    await page.getByRole('alert').getByText('no worker of the previous build').waitFor();
    await rows.announce(rows.builds.previous);
    await rollBack();
    await page.getByText('The previous build gets the instances back.').waitFor();
    await rows.find(id, 'reset', [{ instance_id: instanceId, message: 'It holds a marker of the candidate.' }]);
    await rows.record(id, 'rolled_back', {
      percentage: 0,
      reset_instances: 1,
      reason: { code: 'rollback_requested', message: 'Somebody asked for it.' },
    });
    await page.locator('.heading .badge', { hasText: 'rolled back' }).waitFor();
    await page.getByText('Somebody asked for it.').waitFor();
    expect(await page.getByRole('button', { name: 'Roll back …' }).count()).toBe(0);
    await page.getByRole('link', { name: 'reset', exact: true }).click();
    await page.getByText('It holds a marker of the candidate.').waitFor();
    await page.locator(`[data-found="${instanceId}"]`).getByRole('link').click();
    await page.getByRole('heading', { name: /^heartbeat/ }).waitFor();
    expect(pages.errors).toHaveLength(1);
  });
});
