import type { TestProject } from 'vitest/node';
import { toolsDirectory } from '../../../stack/paths.ts';
import { readComposeFile } from '../compose-file.ts';
import { findGoProgram } from '../go-program.ts';

export interface TemporalServerPrograms {
  /** The server, which takes one role or several. */
  server: string;
  /** `temporal-sql-tool`, which makes the tables. */
  sqlTool: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Null: there are none, and what needs them is skipped. */
    temporalServer: TemporalServerPrograms | null;
  }
}

const module = 'go.temporal.io/server';

/** Temporal's server in the version of docker-compose.yml, built where it is not there yet. */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('temporalServer', null);
  try {
    project.provide('temporalServer', await findTemporalServerPrograms());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    say(`TESTS OF TEMPORAL'S ROLES ARE SKIPPED: ${reason}`);
  }
}

async function findTemporalServerPrograms(): Promise<TemporalServerPrograms> {
  const { temporal } = await readComposeFile();
  const version = `v${temporal?.image.split(':')[1]}`;
  // Its go.mod also lists tools of its developers, and releases of its own that nobody should use.
  const dependenciesOf = (goMod: string): string =>
    goMod.replaceAll(/^retract \([^)]*\)/gm, '').replaceAll(/^tool .*/gm, '');
  const program = { module, version, dependenciesOf };
  const options = { toolsDirectory, onProgress: say, build: true, command: 'npm run test:clusters' };
  return {
    server: await findGoProgram({ ...program, name: 'temporal-server', path: 'cmd/server', minutes: 4 }, options),
    sqlTool: await findGoProgram({ ...program, name: 'temporal-sql-tool', path: 'cmd/tools/sql', minutes: 1 }, options),
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
