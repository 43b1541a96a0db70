import { mkdirSync, renameSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findOnPath, runCommand, withProgress } from '../../stack/command.ts';
import { findFirst } from '../../stack/find-first.ts';
import { toolsDirectory } from '../../stack/paths.ts';
import { chartApi, type KubernetesApi } from './kubernetes/api.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of Helm. Null: there is none, and what needs it is skipped. */
    helm: string | null;
    /** Null: there is no API server, and what needs one is skipped. */
    kubernetesApi: KubernetesApi | null;
  }
}

const goModule = 'helm.sh/helm/v3/cmd/helm@v3.22.0';

/** Finds or builds Helm, and finds or starts an API server of Kubernetes. Says which tests are skipped otherwise. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const helm = await findHelm().catch((error: Error) => skip('THE CHART', error));
  project.provide('helm', helm);
  const api =
    helm === null ? null : await chartApi().catch((error: Error) => skip('THE CHART AT AN API SERVER', error));
  project.provide('kubernetesApi', api?.connection ?? null);
  return async () => api?.stop();
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

function skip(what: string, { message }: Error): null {
  say(`TESTS OF ${what} ARE SKIPPED: ${message}`);
  return null;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
