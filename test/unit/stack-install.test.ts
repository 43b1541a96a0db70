import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { assertPostgresUserCanEnter } from '../../stack/postgres-user.ts';

let clone = '';

beforeEach(() => void (clone = mkdtempSync(join(tmpdir(), 'clone-'))));
afterEach(() => rmSync(clone, { recursive: true }));

describe('the installation of packages', () => {
  const lock = (version: string): string =>
    JSON.stringify({
      packages: {
        '': { name: 'clone' },
        'node_modules/one': { version },
        'node_modules/for-another-platform': { version: '1.0.0', optional: true },
      },
    });

  /** Runs the script in the clone, with an `npm` that only notes how it was called. */
  function install(): { output: string; called: boolean } {
    const bin = join(clone, 'bin');
    mkdirSync(join(clone, 'stack'), { recursive: true });
    mkdirSync(bin, { recursive: true });
    copyFileSync(join(import.meta.dirname, '../../stack/install.mjs'), join(clone, 'stack/install.mjs'));
    writeFileSync(join(bin, 'npm'), '#!/bin/sh\necho "$1" > called\n');
    chmodSync(join(bin, 'npm'), 0o755);
    const { stdout, stderr } = spawnSync(process.execPath, ['stack/install.mjs'], {
      cwd: clone,
      env: { PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin` },
      encoding: 'utf8',
    });
    const called = existsSync(join(clone, 'called')) && readFileSync(join(clone, 'called'), 'utf8') === 'ci\n';
    return { output: stdout + stderr, called };
  }

  function installed(version: string): void {
    mkdirSync(join(clone, 'node_modules'));
    const packages = { 'node_modules/one': { version } };
    writeFileSync(join(clone, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
  }

  test('runs npm ci in a bare clone', () => {
    writeFileSync(join(clone, 'package-lock.json'), lock('1.0.0'));
    expect(install()).toEqual({ output: 'Installing packages (npm ci) …\n', called: true });
  });

  test('runs npm ci when the lock file asks for another version', () => {
    writeFileSync(join(clone, 'package-lock.json'), lock('2.0.0'));
    installed('1.0.0');
    expect(install().called).toBe(true);
  });

  test('is silent when all is there', () => {
    writeFileSync(join(clone, 'package-lock.json'), lock('1.0.0'));
    installed('1.0.0');
    expect(install()).toEqual({ output: '', called: false });
  });
});

test('a folder that the user of PostgreSQL cannot enter is named, with what to do', async () => {
  const closed = join(clone, 'home');
  mkdirSync(join(closed, 'project'), { recursive: true });
  chmodSync(clone, 0o755);
  chmodSync(closed, 0o700);
  const error = assertPostgresUserCanEnter(join(closed, 'project'));
  await expect(error).rejects.toThrow(new RegExp(`cannot enter ${closed} \\(mode 700\\)[^]*DATABASE_URL`));
});
