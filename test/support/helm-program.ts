import { mkdirSync, renameSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findOnPath, runCommand, withProgress } from '../../stack/command.ts';
import { findFirst } from '../../stack/find-first.ts';
import { toolsDirectory } from '../../stack/paths.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of Helm. Null: there is none, and what needs it is skipped. */
    helm: string | null;
  }
}

const goModule = 'helm.sh/helm/v3/cmd/helm@v3.22.0';

/** Finds Helm or builds it, or says that the tests of the chart are skipped. */
export default async function setUp(project: TestProject): Promise<void> {
  const helm = await findHelm().catch(({ message }: Error) => {
    say(`TESTS OF THE CHART ARE SKIPPED: ${message}`);
    return null;
  });
  project.provide('helm', helm);
}

async function findHelm(): Promise<string> {
  const kept = join(toolsDirectory, 'helm');
  const { found } = await findFirst(
    'Helm',
    [
      {
        name: `helm in ${toolsDirectory}`,
        advice: `put Helm 3 as "helm" into ${toolsDirectory}`,
        find: async () => (existsSync(kept) ? kept : undefined),
      },
      {
        name: `go install ${goModule}`,
        advice: `install Go (https://go.dev/dl), which builds ${goModule}`,
        find: async () => {
          if ((await findOnPath('go')) === undefined) return undefined;
          await withProgress('Helm: building with Go (2 minutes of processor time the first time) …', say, build);
          return kept;
        },
      },
    ],
    { instead: 'see https://helm.sh/docs/intro/install' },
  );
  return found;

  async function build(): Promise<void> {
    const building = join(toolsDirectory, 'building');
    mkdirSync(building, { recursive: true });
    await runCommand('env', [`GOBIN=${building}`, 'nice', 'go', 'install', '-ldflags=-s -w', goModule]);
    // Renamed when complete: a build that was cut short is never taken for the program.
    renameSync(join(building, 'helm'), kept);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
