import { randomUUID } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { usePages, statusInView } from '../support/open-page.ts';

describe.skipIf(inject('chromium') === null)('somebody who is new', () => {
  const { rig, pages } = usePages();

  test('creates an instance, sees it run, stops and starts it, makes it fail, reads why, deletes it', async () => {
    const userId = randomUUID();
    const page = await pages.signIn({ userId });

    await page.getByRole('link', { name: 'Create the first one' }).click();
    await page.getByRole('button', { name: '{"interval_ms":1000}' }).click();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('heading', { name: /^heartbeat 1\.0\.0/ }).waitFor();
    const id = new URL(page.url()).hash.split('/').at(-1) ?? '';
    await expect.poll(() => statusInView(page)).toBe('running');
    await expect.poll(() => page.locator('.verdict').textContent()).toMatch(/^Running generation 1 since/);
    await expect.poll(() => page.locator('.timeline').textContent()).toContain('provisioned as runtime');

    await page.getByRole('button', { name: 'Stop' }).click();
    await expect.poll(() => statusInView(page)).toBe('stopped');
    expect(await rig.processes(id)).toEqual([]);
    await page.getByRole('button', { name: 'Start' }).click();
    await expect.poll(() => statusInView(page)).toBe('running');
    expect(await rig.processes(id)).toHaveLength(1);

    await page.getByLabel('Config, as JSON').fill('{"fail_after_ms": 500}');
    await page.getByRole('button', { name: 'Save config' }).click();
    await expect.poll(() => statusInView(page)).toBe('failed');
    await expect.poll(() => page.locator('.verdict').textContent()).toContain('The agent ended with exit code 1.');
    await page.getByText('failing after 500 ms, as the config asks for').first().waitFor();

    await page.getByRole('button', { name: 'Try again' }).click();
    await expect.poll(() => page.locator('.timeline').textContent()).toContain('status failed → pending');
    await expect.poll(() => statusInView(page)).toBe('failed');

    await page.getByRole('button', { name: 'Delete …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => statusInView(page)).toBe('deleted');
    await expect.poll(() => page.locator('.verdict').textContent()).toMatch(/^Deleted; cleaned up since/);
    await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Instances' }).click();
    await page.getByText('There is no instance yet.').waitFor();
    expect(pages.errors).toEqual([]);
  });

  test('one who clicks twice gets one instance', async () => {
    const userId = randomUUID();
    const page = await pages.signIn({ userId, view: '#/new' });
    await page.getByRole('button', { name: 'Create', exact: true }).dblclick();
    await page.getByRole('heading', { name: /^heartbeat/ }).waitFor();

    const { rows } = await rig.pool.query('select id from instances where user_id = $1', [userId]);
    expect(rows).toHaveLength(1);
  });

  test('an answer that was lost makes no second instance', async () => {
    const userId = randomUUID();
    const page = await pages.signIn({ userId, view: '#/new' });
    // The server has done what it was asked to; its answer does not arrive.
    await page.route('**/v1/instances', async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByText('The server cannot be reached.').waitFor();
    await page.unroute('**/v1/instances');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('heading', { name: /^heartbeat/ }).waitFor();

    const { rows } = await rig.pool.query('select id from instances where user_id = $1', [userId]);
    expect(rows).toHaveLength(1);
  });

  test('a config that is no JSON object is told where it stands, before anything is sent', async () => {
    const page = await pages.signIn({ view: '#/new' });
    const config = page.getByLabel('Config, as JSON');
    await config.fill('[1]');
    await page.getByRole('button', { name: 'Create', exact: true }).click();

    await page.getByText('It has to be a JSON object').waitFor();
    expect(await config.getAttribute('aria-invalid')).toBe('true');
    expect(await config.evaluate((box) => box.matches(':focus'))).toBe(true);
    await config.fill('{');
    await page.getByText('This is not JSON').waitFor();
    await config.fill('{}');
    await page.getByText('This is not JSON').waitFor({ state: 'detached' });
    expect(pages.errors).toEqual([]);
  });
});
