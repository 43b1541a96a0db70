import { existsSync } from 'node:fs';
import type { TestProject } from 'vitest/node';
import { findOnPath } from '../../stack/command.ts';
import { installDebianPackage } from '../../stack/debian-package.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of PgBouncer. Null: there is none, and what needs it is skipped. */
    pgbouncer: string | null;
  }
}

/** PgBouncer on the machine, else Debian's package, where root may install it. */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('pgbouncer', null);
  try {
    project.provide('pgbouncer', await findPgbouncer());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`TESTS WITH PGBOUNCER ARE SKIPPED: ${reason}\n`);
  }
}

async function findPgbouncer(): Promise<string> {
  const installed = await findOnPath('pgbouncer');
  if (installed !== undefined) return installed;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error('there is no pgbouncer on the PATH, and only root on Debian can install one');
  }
  process.stdout.write('PgBouncer: installing the Debian package pgbouncer …\n');
  await installDebianPackage('pgbouncer');
  const path = await findOnPath('pgbouncer');
  if (path === undefined) throw new Error('the Debian package pgbouncer brought no program of that name');
  return path;
}
