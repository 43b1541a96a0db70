import { randomUUID } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { statusInView, usePages } from '../support/open-page.ts';

describe.skipIf(inject('chromium') === null)('a user whose instance is outdated', () => {
  const { rig, pages } = usePages();

  test('reads so, updates it, sees the new version run, and holds it, on every page that shows it', async () => {
    const userId = randomUUID();
    const id = await pages.insertInstance(userId);
    await rig.bus.until(id, 'instance.updated', 'running');
    await rig.pool.query(`update agents set version = '1.1.0' where id = $1`, [pages.agentId]);
    await rig.pool.query(`update agents set stable_version = '1.1.0' where id = $1`, [pages.agentId]);
    const view = `#/instances/${id}`;
    const [page, other] = [await pages.signIn({ userId, view }), await pages.signIn({ userId, view })];
    const facts = other
      .getByRole('definition')
      .filter({ has: other.getByRole('button', { name: /^(Hold this version|Follow rollouts)$/ }) });
    await facts.getByText('New instances get 1.1.0.').waitFor();
    await facts.getByText('outdated').waitFor();

    await page.getByRole('button', { name: 'Update to 1.1.0' }).click();
    await page.getByText('It is to run 1.1.0.').waitFor();
    await other.getByRole('heading', { name: /^heartbeat 1\.1\.0/ }).waitFor();
    await expect.poll(() => statusInView(other)).toBe('running');
    await facts.getByText('outdated').waitFor({ state: 'detached' });
    await expect.poll(() => facts.locator('.line').first().textContent()).toBe('1.1.0');
    const { rows } = await rig.pool.query('select agent_version, running_version from instances where id = $1', [id]);
    expect(rows).toEqual([{ agent_version: '1.1.0', running_version: '1.1.0' }]);

    await page.getByRole('button', { name: 'Hold this version' }).click();
    await facts.getByText('held', { exact: true }).waitFor();
    await other.getByRole('button', { name: 'Follow rollouts' }).click();
    await page.getByRole('button', { name: 'Hold this version' }).waitFor();
    expect(pages.errors).toEqual([]);
  });
});
