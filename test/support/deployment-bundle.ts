import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDeploymentBundle } from '../../workers/workflow-bundle.ts';
import { useOpened } from './use-opened.ts';

/** The workflow code of the deployer, bundled once for a test file. */
export function useDeploymentBundle(): { path: string } {
  return useOpened(
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'deployment-bundle-'));
      const path = join(folder, 'workflows.js');
      await writeFile(path, (await loadDeploymentBundle()).code);
      return { path, folder };
    },
    ({ folder }) => rm(folder, { recursive: true }),
  );
}
