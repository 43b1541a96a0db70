import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { BuildOfDeployment } from '../../contracts/names.ts';
import type { Service } from '../../workers/services/service.ts';
import type { GateResult } from '../../workflows/gate/gate-workflow.ts';
import { bundleChangedWorkflows, type Change } from '../replay/changed-workflows.ts';
import { settingsOf, untilPolled } from './deployments.ts';
import { startGate } from './gates.ts';
import type { Rig } from './rig.ts';

export interface RunningBuild extends Service {
  build: BuildOfDeployment;
}

/** Builds of agents_worker for the tests of a file, or of a `describe`, under the deployment name of the rig's task queue. */
export function useBuilds(rig: Rig) {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'builds-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const start = async (buildId: string, settings: Record<string, string> = {}): Promise<RunningBuild> => {
    const { TASK_QUEUE } = rig.environment;
    const build = { deploymentName: TASK_QUEUE, buildId };
    const worker = await rig.startAgentsWorker({ ...settingsOf(build), ...settings });
    await worker.ready();
    await untilPolled(rig.client, build, TASK_QUEUE);
    return { ...worker, build };
  };

  return {
    start,
    /** A build with these changes of the workflow code. */
    startChanged: async (buildId: string, ...changes: Change[]): Promise<RunningBuild> => {
      const file = join(folder, `${buildId}.js`);
      await writeFile(file, (await bundleChangedWorkflows(changes)).code);
      return start(buildId, { WORKFLOW_BUNDLE: file });
    },
    /** What the build makes of the current runs of these instances. */
    gate: async (
      build: BuildOfDeployment,
      ids: readonly string[],
      { checksCandidate = false } = {},
    ): Promise<GateResult> => (await startGate(rig, build, ids, { checksCandidate })).result(),
  };
}
