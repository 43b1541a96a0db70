import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { InstanceState } from '../../workflows/state.ts';
import { bundleChangedWorkflows, type Change } from '../replay/changed-workflows.ts';
import type { CountingState } from './counting-evolve.ts';

const count: Change = {
  file: 'instance-workflow.ts',
  from: "from './evolve.ts'",
  to: `from '${fileURLToPath(new URL('counting-evolve.ts', import.meta.url))}'`,
};

/**
 * The workflow code with these changes, which also counts its messages: `messagesOf` reads the count.
 *
 * @returns makes the bundle and returns its path; the file is removed after the tests
 */
export function useCountingBundle(...changes: Change[]): () => Promise<string> {
  let directory: string | undefined;
  afterAll(async () => {
    if (directory !== undefined) await rm(directory, { recursive: true });
  });
  return async () => {
    directory = await mkdtemp(join(tmpdir(), 'counting-workflows-'));
    const path = join(directory, 'workflows.js');
    await writeFile(path, (await bundleChangedWorkflows([count, ...changes])).code);
    return path;
  };
}

export function messagesOf(state: InstanceState): number {
  return (state as CountingState).messages ?? 0;
}
