import type { TestProject } from 'vitest/node';
import { findDebianProgram } from './debian-program.ts';

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
    project.provide('pgbouncer', await findDebianProgram('pgbouncer'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`TESTS WITH PGBOUNCER ARE SKIPPED: ${reason}\n`);
  }
}
