import type { Client } from 'pg';
import { readCommandLineConfiguration } from '../configuration/command-line.ts';
import type { DeploymentJson } from '../database/deployments/deployment-json.ts';
import { findDeploymentNames } from '../database/deployments/find.ts';
import { listDeployments, readDeployment, type DeploymentFilter } from '../database/deployments/list.ts';
import { DeploymentRefused } from '../database/deployments/request.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { withDatabase } from './database.ts';
import { toIdPrefix } from './ids.ts';
import { plainLine } from './plain-text.ts';

const shownCandidates = 5;

/** The same as `withDatabase`, for work that may be refused. */
export function withDeployments<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
  return withDatabase((client) =>
    work(client).catch((error: unknown) => {
      throw error instanceof DeploymentRefused ? new CommandError(plainLine(error.message), { cause: error }) : error;
    }),
  );
}

/** @returns the given deployment name, that of the environment, or the only one. @throws CommandError if there are several, or none */
export async function chooseDeploymentName(client: Client, given: string | undefined): Promise<string> {
  const chosen = given ?? readCommandLineConfiguration().deploymentName();
  if (chosen !== undefined) return chosen;
  const names = await findDeploymentNames(client);
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  throw new CommandError(
    name === undefined
      ? 'No agents_worker has had a deployment name. Start one with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID.'
      : `There are several deployment names: ${names.join(', ')}. Give one of them with --name, or as TEMPORAL_DEPLOYMENT_NAME.`,
    { exitCode: name === undefined ? exitCodes.error : exitCodes.usage },
  );
}

/**
 * Finds the only deployment whose id begins like that, or that of a build or a deployment name: the active one, or else the latest.
 *
 * @throws CommandError when none or several fit
 */
export async function resolveDeployment(client: Client, typed: string): Promise<string> {
  const prefix = toIdPrefix(typed);
  const found = prefix ? await listDeployments(client, { ids: prefix, limit: shownCandidates + 1 }) : [];
  if (found.length > 1) {
    const shown = found.slice(0, shownCandidates).map(({ id }) => id);
    const more = found.length > shownCandidates ? ' and more' : '';
    throw new CommandError(`Several deployments begin with ${typed}: ${shown.join(', ')}${more}. Give more of the id.`);
  }
  const deployment =
    found[0] ?? (await findLatest(client, { buildId: typed })) ?? (await findLatest(client, { deploymentName: typed }));
  if (deployment) return deployment.id;
  throw new CommandError(
    `There is no deployment ${plainLine(typed)}, nor of such a build or deployment name. See npx instances deployments list.`,
  );
}

/** Of a deployment name, no other deployment is newer than the active one. */
async function findLatest(
  client: Client,
  filter: Pick<DeploymentFilter, 'buildId' | 'deploymentName'>,
): Promise<DeploymentJson | undefined> {
  const [latest] = await listDeployments(client, { ...filter, limit: 1 });
  return latest;
}

/** @throws CommandError when the deployment is gone */
export async function readOne(client: Client, id: string): Promise<DeploymentJson> {
  const deployment = await readDeployment(client, id);
  if (!deployment) throw new CommandError(`The deployment ${id} was deleted meanwhile.`);
  return deployment;
}
