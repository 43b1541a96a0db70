import { readFile, rm } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { stackRoot } from '../../stack/paths.ts';
import { oncePerRun } from './once-per-run.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the processes of `workers/` and of the command line as JavaScript. */
    workerPrograms: string;
  }
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The programs that tests start as processes, by name. */
const entries = {
  'admin-backend': 'workers/admin-backend.ts',
  'agents-worker': 'workers/agents-worker.ts',
  all: 'workers/all.ts',
  deployer: 'workers/deployer.ts',
  'event-broker': 'workers/event-broker.ts',
  instances: 'cli/main.ts',
  'serving-worker': 'test/support/serving-worker.ts',
  'user-backend': 'workers/user-backend.ts',
};

/**
 * Compiles the processes of `workers/` and the command line once per run. A process that compiles itself takes more than twice the time
 * to start, and the tests start a hundred of them.
 */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('workerPrograms', await oncePerRun('worker programs', () => compile(project.name)));
}

async function compile(name: string): Promise<string> {
  const outdir = resolve(stackRoot, `worker-programs-${name}`);
  await compilePrograms({ outdir, names: Object.keys(entries) as ProgramName[] });
  return outdir;
}

export type ProgramName = keyof typeof entries;

/** @param change returns what is compiled instead of the text of a source file */
export async function compilePrograms({
  outdir,
  names,
  change = (_, text) => text,
}: {
  outdir: string;
  names: readonly ProgramName[];
  change?: (path: string, text: string) => string;
}): Promise<void> {
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: names.map((out) => ({ out, in: resolve(root, entries[out]) })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [loadSources(change)],
    logLevel: 'warning',
  });
}

/** Also makes `import.meta.url` name the source file, so that the code finds the files beside it. */
function loadSources(change: (path: string, text: string) => string): Plugin {
  return {
    name: 'load-sources',
    setup: (programs) => {
      programs.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const text = change(relative(root, path), await readFile(path, 'utf8'));
        return {
          loader: 'ts',
          resolveDir: dirname(path),
          contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
        };
      });
    },
  };
}
