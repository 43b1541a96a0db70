import type { Command } from 'commander';
import type { Client } from 'pg';
import { listDeployments } from '../../database/deployments/list.ts';
import { requestDeployment } from '../../database/deployments/request.ts';
import { addDeploymentOptions, readDeploymentStrategy, type DeploymentOptions } from '../deployment-options.ts';
import { chooseDeploymentName, withDeployments } from '../deployments.ts';
import { print, warn } from '../output.ts';
import { plainLine } from '../plain-text.ts';
import { requesterName } from '../requester.ts';
import { addWaitForDeployment, followDeployment, isToWait, type DeploymentWait } from '../wait-for-deployment.ts';

export function addDeploy(program: Command): void {
  const command = program
    .command('deploy')
    .description('deploy a build of agents_worker, and print the id of the deployment')
    .argument('<build-id>', 'TEMPORAL_WORKER_BUILD_ID of the build, whose workers may start afterwards')
    .option('--name <deployment-name>', 'name of the deployment (default: TEMPORAL_DEPLOYMENT_NAME, or the only one)');
  addWaitForDeployment(addDeploymentOptions(command)).addHelpText('after', help).action(deploy);
}

const help = `
The build replays every open history, takes a part of the instances in each
step while it is watched, and becomes the current build, or is taken back.
Repeated, the command goes on with the active deployment of the build. See
docs/deployments.md.

Exit codes with --wait: 0 promoted, 3 refused, rolled back or aborted, 4 not
promoted in time (the deployment goes on).

Example for CI:
  $ npx instances deploy "$(cat dist/build-id)" --steps 1,10,50,100 --bake 5m \\
      --wait --timeout 2h`;

async function deploy(
  buildId: string,
  { name, ...options }: DeploymentOptions & DeploymentWait & { name?: string },
): Promise<void> {
  const strategy = readDeploymentStrategy(options);
  await withDeployments(async (client) => {
    const deploymentName = await chooseDeploymentName(client, name);
    const active = await findActive(client, deploymentName, buildId);
    if (active !== undefined) warn(`The build ${plainLine(buildId)} is being deployed already.`);
    const id =
      active ??
      (await requestDeployment(client, { deploymentName, buildId, strategy, requestedBy: requesterName() })).id;
    if (isToWait(options)) await followDeployment(client, id, options);
    else print(id);
  });
}

async function findActive(client: Client, deploymentName: string, buildId: string): Promise<string | undefined> {
  const [latest] = await listDeployments(client, { deploymentName, limit: 1 });
  return latest?.build_id === buildId && latest.ended_at === null ? latest.id : undefined;
}
