import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { usePages } from '../support/open-page.ts';

const folder = fileURLToPath(new URL('../../docs/page/', import.meta.url));
const largestBytes = 150 * 1024;
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
  const instances = await take(list, 'instances');

  const life = await pages.signIn({ userId, view: `#/instances/${failed}`, viewport: { width: 1000, height: 900 } });
  await life.getByText('as the config asks for').first().waitFor();
  await life.getByLabel('workflow').uncheck();
  const instance = await take(life, 'instance');

  const small = { viewport: { width: 360, height: 640 }, isMobile: true, colorScheme: 'dark' } as const;
  const dark = await pages.signIn({ userId, ...small });
  await dark.locator('.badge.is-running').waitFor();
  const phone = await take(dark, 'phone');

  const admin = await pages.signIn({ isAdmin: true, view: '#/audit', viewport: { width: 1000, height: 640 } });
  await admin.getByRole('button', { name: 'Verify the trail' }).click();
  await admin.getByText('intact', { exact: true }).waitFor();
  const audit = await take(admin, 'audit');
  for (const bytes of [instances, instance, phone, audit]) expect(bytes).toBeLessThan(largestBytes);
});

async function take(page: Page, name: string): Promise<number> {
  const path = `${folder}${name}.png`;
  await page.screenshot({ path });
  return (await stat(path)).size;
}
