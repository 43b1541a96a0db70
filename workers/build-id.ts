import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { WorkflowBundle } from './workflow-bundle.ts';

/** agents_worker, and the processes that it starts. */
const programs = [
  'workers/agents-worker.ts',
  'runtimes/process/fence/watchdog.ts',
  'runtimes/process/launcher/launcher.mjs',
];

const thisProject = fileURLToPath(new URL('../', import.meta.url));

/**
 * Names a build of agents_worker: the version of the package, and a digest of the workflow bundle and of all other code of this project that
 * agents_worker runs. The same code has the same id in every folder and on every machine.
 */
export async function buildIdOf(bundle: WorkflowBundle, root = thisProject): Promise<string> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: programs,
    outdir: '.',
    write: false,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  const digest = createHash('sha256').update(withoutSourceMap(bundle.code));
  for (const { contents } of outputFiles) digest.update(contents);
  return `${version}-${digest.digest('hex').slice(0, 12)}`;
}

/** The source map names the folder of the build. */
function withoutSourceMap(code: string): string {
  return code.replace(/^\/\/# sourceMappingURL=.*$/m, '');
}
