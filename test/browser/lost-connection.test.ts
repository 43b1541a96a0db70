import { randomUUID } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { usePages, statusInList } from '../support/open-page.ts';
import { backUp, restore } from '../support/restored-tables.ts';
import { signToken } from '../support/tokens.ts';

describe.skipIf(inject('chromium') === null)('a page that loses its connection', () => {
  const { rig, pages } = usePages();

  test('says that it is offline, and then shows what it missed', async () => {
    const userId = randomUUID();
    const [changed, deleted] = [await pages.insertInstance(userId), await pages.insertInstance(userId)];
    const page = await pages.signIn({ userId });
    for (const id of [changed, deleted]) await expect.poll(() => statusInList(page, id)).toBe('running');

    await page.context().setOffline(true);
    await page.getByText('Offline: what you see may be old').waitFor();
    await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [changed]);
    await rig.deleteInstance(deleted);
    const created = await pages.insertInstance(userId);
    await rig.bus.until(created, 'instance.updated', 'running');
    await rig.bus.until(changed, 'instance.updated', 'stopped');
    expect(await statusInList(page, changed)).toBe('running');

    await page.context().setOffline(false);
    await page.getByText('Live', { exact: true }).waitFor();
    await expect.poll(() => statusInList(page, changed)).toBe('stopped');
    await expect.poll(() => statusInList(page, created)).toBe('running');
    await expect.poll(() => statusInList(page, deleted)).toBe('');
  });

  test('shows what an older copy of the database says, also where it has seen later versions', async () => {
    const userId = randomUUID();
    const [changed, deleted] = [await pages.insertInstance(userId), await pages.insertInstance(userId)];
    const page = await pages.signIn({ userId });
    for (const id of [changed, deleted]) await expect.poll(() => statusInList(page, id)).toBe('running');
    await rig.untilBusIsQuiet();
    await backUp(rig);
    for (let round = 0; round < 20; round += 1) {
      await rig.pool.query('update instances set metadata = $2 where id = $1', [changed, { round }]);
    }
    await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [changed]);
    await rig.deleteInstance(deleted);
    await expect.poll(() => statusInList(page, changed)).toBe('stopped');
    await expect.poll(() => statusInList(page, deleted)).toBe('');

    await restore(rig);
    await expect.poll(() => statusInList(page, changed)).toBe('running');
    await expect.poll(() => statusInList(page, deleted)).toBe('running');
  });

  test('comes back by itself after the server went away, with what happened meanwhile', async () => {
    const userId = randomUUID();
    const id = await pages.insertInstance(userId);
    const page = await pages.signIn({ userId });
    await expect.poll(() => statusInList(page, id)).toBe('running');

    await pages.stopUserBackend();
    await page.getByText('Reconnecting: what you see may be old').waitFor();
    await page.locator(`[data-instance="${id}"]`).getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('alert').getByText('The server cannot be reached.').waitFor();
    await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
    await rig.bus.until(id, 'instance.updated', 'stopped');
    await pages.startUserBackend();

    await page.getByText('Live', { exact: true }).waitFor();
    await expect.poll(() => statusInList(page, id)).toBe('stopped');
  });

  test('loads by itself what could not be loaded while the server was away', async () => {
    const userId = randomUUID();
    const id = await pages.insertInstance(userId);
    const page = await pages.signIn({ userId });
    await expect.poll(() => statusInList(page, id)).toBe('running');

    await pages.stopUserBackend();
    await page.getByText('Reconnecting: what you see may be old').waitFor();
    await page.locator(`[data-instance="${id}"]`).getByRole('link').first().click();
    await page.getByRole('button', { name: 'Try again' }).first().waitFor();
    await pages.startUserBackend();
    await expect.poll(() => page.locator('.timeline').count()).toBe(1);
  });

  test('takes the token out of the address, and asks for one again once it has expired, with the reason', async () => {
    const userId = randomUUID();
    const page = await pages.signIn({ userId });
    expect(page.url()).toBe(`${pages.url}/#/instances`);
    await page.reload();
    await page.getByText('There is no instance yet.').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You are signed out.').waitFor();

    const short = await signToken({ userId, expiresIn: '5 s' });
    await page.getByLabel('Your token').fill(short);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText(/token has expired/).waitFor();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();

    await page.getByLabel('Your token').fill('nonsense');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('The token is not valid').waitFor();
    // Whoever has the address of npm start may paste that.
    await page.getByLabel('Your token').fill(`${pages.url}/#token=${await signToken({ userId })}`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('There is no instance yet.').waitFor();

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You are signed out.').waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });
});
