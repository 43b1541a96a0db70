import type { Page } from 'playwright-core';
import { describe, expect, inject, test } from 'vitest';
import { usePages } from '../support/open-page.ts';

describe.skipIf(inject('chromium') === null)('an admin rolls out', () => {
  const { rig, pages } = usePages();

  const strategy = {
    canary: { count: 1 },
    max_parallel: { count: 1 },
    min_healthy_seconds: 0.5,
    healthy_deadline_seconds: 20,
    max_failures: { count: 0 },
    auto_promote: false,
  };
  /** An agent with instances that run, whose page is open. */
  const open = async (count: number): Promise<{ agentId: string; ids: string[]; page: Page }> => {
    const agentId = await rig.publishAgent();
    const ids = await Promise.all(Array.from({ length: count }, () => rig.insertInstance(agentId)));
    for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
    return { agentId, ids, page: await pages.signIn({ isAdmin: true, view: `#/agents/${agentId}` }) };
  };
  const publish = (agentId: string, script: string) =>
    rig.pool.query(`update agents set version = '2', runtime = $2 where id = $1`, [
      agentId,
      { kind: 'process', command: ['sh', '-c', script], stop_grace_seconds: 2 },
    ]);
  const start = async (page: Page, given: object): Promise<void> => {
    await page.reload();
    await page.getByRole('link', { name: 'Roll out … 2' }).click();
    await page.getByLabel('Strategy, as JSON').fill(JSON.stringify(given));
    await page.getByRole('button', { name: 'Roll out', exact: true }).click();
  };
  const status = (page: Page) => page.locator('.heading .badge').textContent();

  test('a version that works: the canary, its promotion, and every wave as it happens', async () => {
    const { agentId, ids, page } = await open(3);
    await publish(agentId, 'exec sleep 100000');
    await start(page, { ...strategy, canary: { percent: 101 } });
    await page.getByRole('alert').getByText('canary.percent: A percentage is at most 100').waitFor();
    await page.getByLabel('Strategy, as JSON').fill(JSON.stringify(strategy));
    await page.getByRole('button', { name: 'Roll out', exact: true }).click();
    await page.getByText('is requested.').waitFor();

    await page.getByText('The canary is over: 1 of its 1 instances are healthy.').waitFor();
    const waves = page.getByRole('list', { name: 'Waves' }).getByRole('listitem');
    expect(await waves.allTextContents()).toEqual([expect.stringMatching(/^healthyWave 1canary1 moved · 1 healthy/)]);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText('It goes on.').waitFor();
    await page.getByRole('button', { name: 'Promote' }).click();
    await expect.poll(() => status(page), { timeout: 60_000 }).toBe('completed');
    await page.getByText('wave 3 · 3 of 3 instances moved · 3 healthy · 0 failed').waitFor();
    const moved = page.getByRole('list', { name: 'Moved instances' });
    expect(await moved.getByRole('listitem').count()).toBe(3);
    await page.getByRole('link', { name: 'failed' }).click();
    await page.getByText('There is none.').waitFor();
    await page.getByRole('link', { name: 'all' }).click();
    await page.locator(`[data-moved="${ids[0]}"]`).getByRole('link').click();
    await page.getByRole('heading', { name: /^test 2/ }).waitFor();

    await page.getByRole('link', { name: 'Rollouts' }).click();
    await page.locator('[data-rollout]', { hasText: 'completed' }).first().waitFor();
    // The refusal of the strategy, which the console tells of as well.
    expect(pages.errors).toHaveLength(1);
  });

  test('a version that fails: the canary goes back, and the page says why', async () => {
    const { agentId, ids, page } = await open(2);
    await publish(agentId, 'echo out of luck >&2; exit 3');
    await start(page, strategy);
    await expect.poll(() => status(page), { timeout: 60_000 }).toBe('rolled back');
    const why = page.locator('.panel', { hasText: '1 of the 1 moved instances failed, and in the canary none may.' });
    await expect.poll(() => why.textContent()).toContain('exit code 3');
    const moved = page.getByRole('list', { name: 'Moved instances' }).getByRole('listitem');
    await expect
      .poll(() => moved.allTextContents())
      .toEqual([expect.stringMatching(/^reverted.*running with 1.*came from 1/)]);
    expect(await page.getByRole('button', { name: 'Abort …' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Its agent' }).click();
    const versions = page.getByRole('list', { name: 'Versions' }).getByRole('listitem');
    await versions.first().getByText('withdrawn', { exact: true }).waitFor();
    const { rows } = await rig.pool.query('select from instances where agent_version = $1 and id = any ($2)', [
      '1',
      ids,
    ]);
    expect(rows).toHaveLength(2);
    expect(pages.errors).toEqual([]);
  });

  test('a version and aborts it, after being asked', async () => {
    const { agentId, page } = await open(1);
    await publish(agentId, 'exec sleep 100000');
    await start(page, strategy);
    await page.getByText('The canary is over').waitFor();
    await page.getByRole('button', { name: 'Abort …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Abort' }).click();
    await expect.poll(() => status(page), { timeout: 60_000 }).toBe('aborted');
    await page.getByText('The rollout was aborted.').waitFor();
    expect(pages.errors).toEqual([]);
  });
});
