import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A program in the tools folder: one put there under its own name, else a finished download, named after the SDK's version. */
export function findKept(toolsDirectory: string, name: string): string | undefined {
  const entries = readdirSync(toolsDirectory);
  const prefix = `${name}-sdk-typescript-`;
  const newest = entries
    .filter((entry) => entry.startsWith(prefix) && !entry.endsWith('.downloading'))
    .toSorted()
    .at(-1);
  const found = entries.includes(name) ? name : newest;
  return found === undefined ? undefined : join(toolsDirectory, found);
}

/** Has the SDK download a server into the tools folder. It does so only as a part of starting one, which is ended at once. */
export async function downloadBySdk(
  toolsDirectory: string,
  create: 'createLocal' | 'createTimeSkipping',
): Promise<void> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const executable = { type: 'cached-download', downloadDir: toolsDirectory } as const;
  const environment = await TestWorkflowEnvironment[create]({ server: { executable } });
  await environment.teardown();
}
