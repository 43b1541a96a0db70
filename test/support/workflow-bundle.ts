import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { stackRoot } from '../../stack/paths.ts';
import { loadWorkflowBundle } from '../../workers/workflow-bundle.ts';
import { oncePerRun } from './once-per-run.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The workflow code as it is in the working tree, bundled once per run. */
    workflowBundle: string;
  }
}

export default async function setUp(project: TestProject): Promise<void> {
  project.provide('workflowBundle', await oncePerRun('workflow bundle', () => bundle(project.name)));
}

async function bundle(name: string): Promise<string> {
  const path = resolve(stackRoot, `workflow-bundle-${name}.js`);
  const { code } = await loadWorkflowBundle();
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, code);
  return path;
}
