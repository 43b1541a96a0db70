import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { TestProject } from 'vitest/node';
import { stackRoot } from '../../stack/paths.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The workflow code as it is in the working tree, bundled once per run. */
    workflowBundle: string;
  }
}

export default async function setUp(project: TestProject): Promise<void> {
  const path = resolve(stackRoot, `workflow-bundle-${project.name}.js`);
  const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, code);
  project.provide('workflowBundle', path);
}
