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

const programs = { createLocal: 'temporal', createTimeSkipping: 'temporal-test-server' };

/**
 * Has the SDK download a server into the tools folder. The SDK does so only as a part of starting one, and gives it five
 * seconds to start, which a busy machine may exceed. A finished download counts all the same.
 */
export async function downloadBySdk(
  toolsDirectory: string,
  create: 'createLocal' | 'createTimeSkipping',
  startOnce: typeof startAndStop = startAndStop,
): Promise<void> {
  try {
    await startOnce(toolsDirectory, create);
  } catch (error) {
    if (findKept(toolsDirectory, programs[create]) === undefined) throw error;
  }
}

async function startAndStop(downloadDir: string, create: 'createLocal' | 'createTimeSkipping'): Promise<void> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const executable = { type: 'cached-download', downloadDir } as const;
  const environment = await TestWorkflowEnvironment[create]({ server: { executable } });
  await environment.teardown();
}
