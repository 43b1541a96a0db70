import { randomUUID } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { usePages, statusInList, statusInView } from '../support/open-page.ts';

describe.skipIf(inject('chromium') === null)('pages side by side', () => {
  const { rig, pages } = usePages();

  test("each sees what the other does, and an instance of another tab's, without a reload", async () => {
    const userId = randomUUID();
    const [one, other] = await Promise.all([pages.signIn({ userId }), pages.signIn({ userId })]);
    const id = await pages.insertInstance(userId);
    await expect.poll(() => statusInList(one, id)).toBe('running');
    await expect.poll(() => statusInList(other, id)).toBe('running');

    await one.locator(`[data-instance="${id}"]`).getByRole('button', { name: 'Stop' }).click();
    await expect.poll(() => statusInList(other, id)).toBe('stopped');
    await other.locator(`[data-instance="${id}"]`).getByRole('link').click();
    await other.getByRole('button', { name: 'Start' }).click();
    await expect.poll(() => statusInList(one, id)).toBe('running');

    await other.getByRole('button', { name: 'Delete …' }).click();
    await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await one.getByText('There is no instance yet.').waitFor();
    expect(pages.errors).toEqual([]);
  });

  test('a filter shows what comes to match it, and no longer what does not', async () => {
    const userId = randomUUID();
    const id = await pages.insertInstance(userId);
    const page = await pages.signIn({ userId, view: '#/instances?status=stopped' });
    await page.getByText('No instance is stopped.').waitFor();
    await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
    await expect.poll(() => statusInList(page, id)).toBe('stopped');
    await rig.pool.query(`update instances set desired_state = 'running' where id = $1`, [id]);
    await page.getByText('No instance is stopped.').waitFor();
    await page.getByRole('link', { name: 'Running' }).click();
    await expect.poll(() => statusInList(page, id)).toBe('running');
    await page.goBack();
    await page.getByText('No instance is stopped.').waitFor();
    expect(pages.errors).toEqual([]);
  });

  test("nothing of another user's is shown, at no address, and nothing of it is sent", async () => {
    const [userId, stranger] = [randomUUID(), randomUUID()];
    const page = await pages.signIn({ userId });
    const frames: string[] = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(payload.toString())));
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();

    const theirs = await pages.insertInstance(stranger, { secret: 'of the stranger' });
    await rig.bus.until(theirs, 'instance.updated', 'running');
    const own = await pages.insertInstance(userId);
    await expect.poll(() => statusInList(page, own)).toBe('running');
    expect(await page.locator('[data-instance]').count()).toBe(1);

    await page.goto(`${pages.url}/#/instances/${theirs}`);
    await page.getByText('There is no instance of this id, or it belongs to somebody else.').waitFor();
    for (const view of ['agents', 'audit', 'dead-letters']) {
      await page.goto(`${pages.url}/#/${view}`);
      await page.getByRole('heading', { name: 'There is no such view' }).waitFor();
    }
    expect(await page.locator('body').textContent()).not.toContain(stranger.slice(0, 8));
    expect(frames.join('\n')).toContain(own);
    expect(frames.join('\n')).not.toContain(theirs);
  });

  test('neither an older event nor an older answer overwrites what is known', async () => {
    const userId = randomUUID();
    const id = await pages.insertInstance(userId);
    const page = await pages.signIn({ userId });
    await expect.poll(() => statusInList(page, id)).toBe('running');
    let tell = (_message: string): void => undefined;
    await page.routeWebSocket('**/v1/updates*', (socket) => {
      const server = socket.connectToServer();
      tell = (message) => socket.send(message);
      server.onMessage((message) => socket.send(message));
    });
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    await expect.poll(() => statusInList(page, id)).toBe('running');

    const event = (sequence: number, status: string): string =>
      JSON.stringify({
        type: 'instance.updated',
        event_id: randomUUID(),
        sequence,
        agent_id: pages.agentId,
        user_id: userId,
        desired_state: 'running',
        generation: 1,
        observed_generation: 1,
        instance: { instance_id: id, status, metadata: {}, updated_at: new Date().toISOString() },
      });
    tell(event(1_002, 'stopped'));
    await expect.poll(() => statusInList(page, id)).toBe('stopped');
    tell(event(1_001, 'failed'));
    // The server's own answer is older than that, too.
    await page.locator(`[data-instance="${id}"]`).getByRole('link').click();
    await expect.poll(() => statusInView(page)).toBe('stopped');
  });
});
