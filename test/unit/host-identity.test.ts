import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { identifyEngine } from '../../runtimes/engine-identity.ts';
import { identifyFolder } from '../../runtimes/process/host-identity.ts';

async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'host-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'runtime');
}

test('all workers of a folder find the same identity, also when they make it at the same time', async () => {
  const folder = await openFolder();
  const ids = await Promise.all(Array.from({ length: 20 }, () => identifyFolder(folder)));
  expect(new Set(ids).size).toBe(1);
  expect(z.guid().parse(ids[0])).toBe(await identifyFolder(folder));
  expect(await readdir(folder)).toEqual(['.host']);
  expect(await identifyFolder(await openFolder())).not.toBe(ids[0]);
});

test('a file that holds no identity is not replaced, and the error says what to do', async () => {
  const folder = await openFolder();
  await identifyFolder(folder);
  await writeFile(join(folder, '.host'), 'no identity');
  await expect(identifyFolder(folder)).rejects.toThrow(
    /\.host does not hold the id of a host.*npx instances hosts list/,
  );
});

test('a Docker engine is one host for all workers of a system, and another one for another system', () => {
  const id = identifyEngine('7f0c', 'default/instances');
  expect(z.uuid().parse(id)).toBe(identifyEngine('7f0c', 'default/instances'));
  expect(identifyEngine('7f0c', 'default/others')).not.toBe(id);
  expect(identifyEngine('7f0d', 'default/instances')).not.toBe(id);
});
