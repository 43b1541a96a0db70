import { readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
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

/** The programs that tests start as processes, by name. */
const entries = {
  'admin-backend': 'workers/admin-backend.ts',
  'agents-worker': 'workers/agents-worker.ts',
  all: 'workers/all.ts',
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
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: Object.entries(entries).map(([out, path]) => ({
      out,
      in: fileURLToPath(new URL(`../../${path}`, import.meta.url)),
    })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [keepLocation],
    logLevel: 'warning',
  });
  return outdir;
}

/** Makes `import.meta.url` name the source file, so that the code finds the files beside it. */
const keepLocation: Plugin = {
  name: 'keep-location',
  setup: (programs) => {
    programs.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return {
        loader: 'ts',
        resolveDir: dirname(path),
        contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
      };
    });
  },
};
