import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath, runCommand, withProgress } from './command.ts';
import { findFirst, type Found } from './find-first.ts';
import { downloadBySdk, findKept } from './kept-program.ts';
import type { Progress } from './server.ts';

/** The last version that Go can install: later ones have a `replace` directive in their go.mod. */
const goModule = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';

/** Questions to the machine and changes of it, which tests replace. */
export interface TemporalFacts {
  findOnPath: (command: string) => Promise<string | undefined>;
  download: (toolsDirectory: string) => Promise<unknown>;
  install: (toolsDirectory: string) => Promise<unknown>;
}

/** A `temporal` on the PATH, else one in `toolsDirectory`, else the SDK's download, else one built by Go. */
export async function findTemporal({
  toolsDirectory,
  onProgress,
  signal,
  facts = {
    findOnPath,
    download: (folder) => downloadBySdk(folder, 'createLocal'),
    install: (folder) => goInstall(folder, signal),
  },
}: {
  toolsDirectory: string;
  onProgress: Progress;
  signal?: AbortSignal | undefined;
  facts?: TemporalFacts;
}): Promise<Found<string>> {
  mkdirSync(toolsDirectory, { recursive: true });
  const kept = () => findKept(toolsDirectory, 'temporal');
  return findFirst(
    'Temporal',
    [
      {
        name: 'temporal on the PATH',
        advice: 'install the Temporal CLI (https://docs.temporal.io/cli#install; Homebrew: brew install temporal)',
        find: () => facts.findOnPath('temporal'),
      },
      {
        name: `temporal in ${toolsDirectory}`,
        advice: `put the program "temporal" into ${toolsDirectory}`,
        find: async () => kept(),
      },
      {
        name: 'download by the Temporal SDK',
        advice: 'connect this machine to the internet, so that the Temporal SDK can download the server',
        find: async () => {
          await withProgress('Temporal: downloading the dev server …', onProgress, () =>
            facts.download(toolsDirectory),
          );
          return kept();
        },
      },
      {
        name: `go install ${goModule}`,
        advice: `install Go (https://go.dev/dl), which builds ${goModule}`,
        find: async () => {
          if ((await facts.findOnPath('go')) === undefined) return undefined;
          await withProgress('Temporal: building the dev server with Go (4 minutes the first time) …', onProgress, () =>
            facts.install(toolsDirectory),
          );
          return kept();
        },
      },
    ],
    { instead: 'set TEMPORAL_ADDRESS to a server of your own', signal },
  );
}

async function goInstall(toolsDirectory: string, signal: AbortSignal | undefined): Promise<void> {
  const building = join(toolsDirectory, 'building');
  await runCommand('env', [`GOBIN=${building}`, 'go', 'install', goModule], { signal });
  // Renamed when complete: a build that was cut short is never taken for the program.
  renameSync(join(building, 'temporal'), join(toolsDirectory, 'temporal'));
}
