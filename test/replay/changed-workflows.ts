import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stackRoot } from '../../stack/paths.ts';
import { loadWorkflowBundle, type WorkflowBundle } from '../../workers/workflow-bundle.ts';

/** A text in a file of `workflows/`, and its replacement. */
export interface Change {
  file: string;
  from: string | RegExp;
  to: string;
}

/**
 * Bundles a copy of the workflow code with these changes; the copy is removed again.
 *
 * @throws when a file does not contain the text that a change replaces
 */
export async function bundleChangedWorkflows(changes: readonly Change[]): Promise<WorkflowBundle> {
  const copy = await mkdtemp(resolve(stackRoot, 'changed-workflows-'));
  try {
    for (const room of ['workflows', 'contracts']) {
      await cp(fileURLToPath(new URL(`../../${room}`, import.meta.url)), join(copy, room), { recursive: true });
    }
    for (const { file, from, to } of changes) {
      const path = join(copy, 'workflows', file);
      const before = await readFile(path, 'utf8');
      const after = before.replaceAll(from, () => to);
      if (after === before) throw new Error(`workflows/${file} does not hold ${String(from)}: correct the change`);
      await writeFile(path, after);
    }
    return await loadWorkflowBundle(undefined, join(copy, 'workflows', 'index.ts'));
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
