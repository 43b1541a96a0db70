import { readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { stackRoot } from '../../stack/paths.ts';
import { oncePerRun } from './once-per-run.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the processes of `workers/` as JavaScript. */
    workerPrograms: string;
  }
}

/** Entry files that tests start as processes. */
const entries = [
  'admin-backend',
  'agents-worker',
  'all',
  'contracts-check',
  'event-broker',
  'migrate',
  'replay',
  'user-backend',
];

/**
 * Compiles the processes of `workers/` once per run: a process that compiles itself when it starts takes more than twice the
 * time, and the tests start a hundred of them.
 */
export default async function setUp(project: TestProject): Promise<void> {
  project.provide('workerPrograms', await oncePerRun('worker programs', () => compile(project.name)));
}

async function compile(name: string): Promise<string> {
  const outdir = resolve(stackRoot, `worker-programs-${name}`);
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: entries.map((entry) => fileURLToPath(new URL(`../../workers/${entry}.ts`, import.meta.url))),
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
