import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { findChromium } from '../support/chromium.ts';
import { openPages } from '../support/open-page.ts';
import { openRig } from '../support/rig.ts';

/** `npm run screenshots`: makes the pictures of the README anew, of the real system. */
const folder = fileURLToPath(new URL('../../docs/page/', import.meta.url));
const directory = resolve(stackRoot, 'screenshots');
const onProgress = (line: string): void => void process.stdout.write(`${line}\n`);
const undo: (() => Promise<unknown>)[] = [];

try {
  await mkdir(folder, { recursive: true });
  await takeAll();
} finally {
  for (const step of undo.toReversed()) await step();
}

async function takeAll(): Promise<void> {
  const executablePath = await findChromium();
  await resetStack(directory);
  const stack = await startStack({ directory, toolsDirectory, portBase: 'free', onProgress });
  undo.push(async () => {
    await stack.stop();
    await resetStack(directory);
  });
  const { databaseUrl, amqpUrl, managementUrl = '', temporal } = stack;
  const servers = { databaseUrl, amqpUrl, managementUrl, temporalAddress: temporal?.address ?? '' };
  const rig = await openRig({ servers, workflowBundle: '' });
  undo.push(() => rig.close());
  await rig.startAll();
  const pages = await openPages(rig, { executablePath });
  undo.push(() => pages.close());

  const userId = randomUUID();
  const failed = await pages.insertInstance(userId, { interval_ms: 1000, fail_after_ms: 1500 });
  const stopped = await pages.insertInstance(userId);
  await pages.insertInstance(userId, { interval_ms: 5000 });
  await rig.bus.until(failed, 'instance.updated', 'failed');
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [stopped]);
  await rig.bus.until(stopped, 'instance.updated', 'stopped');

  const light = await pages.signIn({ userId, colorScheme: 'light', viewport: { width: 1000, height: 460 } });
  await light.locator('.badge.is-running').waitFor();
  await take(light, 'instances');
  const life = await pages.signIn({ userId, view: `#/instances/${failed}`, viewport: { width: 1000, height: 1100 } });
  await life.getByText('as the config asks for').first().waitFor();
  await take(life, 'instance');
  const phone = { viewport: { width: 360, height: 700 }, deviceScaleFactor: 2, colorScheme: 'dark' } as const;
  const dark = await pages.signIn({ userId, ...phone });
  await dark.locator('.badge.is-running').waitFor();
  await take(dark, 'phone');
  const admin = await pages.signIn({ isAdmin: true, view: '#/audit', viewport: { width: 1000, height: 800 } });
  await admin.getByRole('button', { name: 'Verify the trail' }).click();
  await admin.getByText('intact', { exact: true }).waitFor();
  await take(admin, 'audit');
}

async function take(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${folder}${name}.png` });
  onProgress(`docs/page/${name}.png`);
}
