import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { errorMessage } from '../supervision/errors.ts';

const workingTree = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

/** Workflow code as one script, as a Temporal worker takes it. */
export interface WorkflowBundle {
  code: string;
}

/**
 * The bundle in that file, which `npm run build` makes; without a file, one of the working tree's `workflows/`.
 *
 * @param workflowsPath the module that exports the workflows
 */
export async function loadWorkflowBundle(file?: string, workflowsPath = workingTree): Promise<WorkflowBundle> {
  if (file === undefined) return bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  try {
    return { code: await readFile(file, 'utf8') };
  } catch (error) {
    const message = `The workflow bundle ${file} cannot be read: ${errorMessage(error)}. Make it with npm run build.`;
    throw new Error(message, { cause: error });
  }
}
