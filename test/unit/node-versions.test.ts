import { readFile } from 'node:fs/promises';
import { satisfies } from 'semver';
import { expect, test } from 'vitest';
import { z } from 'zod';

const readJson = async (file: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(`../../${file}`, import.meta.url), 'utf8'));

const lock = z.object({
  packages: z.record(
    z.string(),
    z.object({ engines: z.looseObject({ node: z.string().optional() }).optional(), dev: z.boolean().optional() }),
  ),
});
const { packages } = lock.parse(await readJson('package-lock.json'));

/** Packages for which `npm ci` warns on that version of Node.js. */
function refusing(version: string, scope: 'production' | 'all'): string[] {
  return Object.entries(packages).flatMap(([path, { engines, dev = false }]) =>
    engines?.node === undefined || satisfies(version, engines.node) || (dev && scope === 'production') ? [] : [path],
  );
}

test('the oldest Node.js that package.json allows runs every package of production', async () => {
  const { engines } = z
    .object({ engines: z.object({ node: z.literal('>=20.11') }) })
    .parse(await readJson('package.json'));
  expect(refusing(`${engines.node.slice(2)}.0`, 'production')).toEqual([]);
});

test.each(['20.19.0', '22.13.0', '24.0.0'])('npm ci warns of no package on Node.js %s', (version) => {
  expect(refusing(version, 'all')).toEqual([]);
});
