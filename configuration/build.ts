import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildIdPattern, type BuildOfDeployment } from '../contracts/names.ts';
import type { Environment } from './environment.ts';

/** `npm run build` writes the id of the build into this file. */
export const buildIdFile = fileURLToPath(new URL('../dist/build-id', import.meta.url));

/** The build that this process runs, undefined if it is unversioned, or a sentence that says what is wrong. */
export function findBuild(
  environment: Environment,
  file = buildIdFile,
): { build: BuildOfDeployment | undefined } | { problem: string } {
  const { TEMPORAL_DEPLOYMENT_NAME: deploymentName, TEMPORAL_WORKER_BUILD_ID: given } = environment;
  if (deploymentName === undefined) {
    if (given === undefined) return { build: undefined };
    return { problem: 'TEMPORAL_WORKER_BUILD_ID is set without TEMPORAL_DEPLOYMENT_NAME: set both, or neither' };
  }
  const buildId = given ?? readBuildId(file);
  if (buildId !== undefined) return { build: { deploymentName, buildId } };
  return {
    problem: `TEMPORAL_DEPLOYMENT_NAME is set without TEMPORAL_WORKER_BUILD_ID, and ${file} holds no build id: run \`npm run build\`, or set both`,
  };
}

function readBuildId(file: string): string | undefined {
  try {
    const id = readFileSync(file, 'utf8').trim();
    return buildIdPattern.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
