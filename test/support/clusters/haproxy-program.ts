import type { TestProject } from 'vitest/node';
import { findDebianProgram } from '../debian-program.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of HAProxy. Null: there is none, and what needs it is skipped. */
    haproxy: string | null;
  }
}

/** HAProxy on the machine, else Debian's package, where root may install it. */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('haproxy', null);
  try {
    project.provide('haproxy', await findDebianProgram('haproxy'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`TESTS WITH HAPROXY ARE SKIPPED: ${reason}\n`);
  }
}
