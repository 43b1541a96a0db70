import type { TestProject } from 'vitest/node';
import { findTemporal } from '../../stack/temporal-find.ts';
import { toolsDirectory } from '../../stack/paths.ts';
import { findTimeSkippingServer } from './time-skipping-server.ts';

/** The path of a program, or why there is none. */
type Program = { path: string } | { missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    /** Temporal's servers for the tests of the workflow. */
    temporalPrograms: { timeSkipping: Program; dev: Program };
  }
}

/** Found once per run: test files that looked at the same time could both be building the same one. */
export default async function setUp(project: TestProject): Promise<void> {
  const options = { toolsDirectory, onProgress: (line: string) => void process.stdout.write(`${line}\n`) };
  project.provide('temporalPrograms', {
    timeSkipping: await look(() => findTimeSkippingServer(options)),
    dev: await look(async () => (await findTemporal(options)).found),
  });
}

async function look(find: () => Promise<string>): Promise<Program> {
  try {
    return { path: await find() };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}
