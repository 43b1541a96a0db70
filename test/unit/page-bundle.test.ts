import { mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openPageBundle } from '../../backends/user/page-bundle.ts';

test('an outdated page is bundled where it was, so that a process that is killed leaves no folder behind', async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'page-bundle-test-'));
  onTestFinished(() => rm(temporary, { recursive: true, force: true }));
  vi.stubEnv('TMPDIR', temporary);
  onTestFinished(() => void vi.unstubAllEnvs());
  const folder = await openPageBundle();
  await utimes(join(folder, 'index.html'), 0, 0);

  const [again, meanwhile] = await Promise.all([openPageBundle(), openPageBundle()]);

  expect([again, meanwhile]).toEqual([folder, folder]);
  expect(await readdir(temporary)).toEqual([]);
  expect(await readdir(folder)).toEqual(expect.arrayContaining(['icon.svg', 'index.html', 'page.css', 'page.js']));
  expect((await stat(join(folder, 'index.html'))).mtimeMs).toBeGreaterThan(0);
});
