import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { errorMessage } from '../supervision/errors.ts';

const workingTree = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
const deployments = fileURLToPath(new URL('../workflows/deployments/index.ts', import.meta.url));

/** Workflow code as one script for a Temporal worker. */
export interface WorkflowBundle {
  code: string;
}

/** Names the workflow code of a worker, for people who compare the workers of a host. */
export function buildOf({ code }: WorkflowBundle): string {
  return createHash('sha256').update(code).digest('hex').slice(0, 12);
}

/**
 * Reads the bundle that `npm run build` made. Without a file, bundles `workflows/` of the working tree.
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

/** The workflow code of the deployer, which `npm run build` makes as well. */
export function loadDeploymentBundle(file?: string): Promise<WorkflowBundle> {
  return loadWorkflowBundle(file, deployments);
}
