import { Option, type Command } from 'commander';
import { deploymentStatuses, type DeploymentStatus } from '../../contracts/names.ts';
import { listBuilds, listDeploymentInstances, listDeployments } from '../../database/deployments/list.ts';
import { changeDeployment, type DeploymentAction } from '../../database/deployments/request.ts';
import { deploymentInWords, describeDeployment, toBuildTable, toDeploymentTable } from '../deployment-lines.ts';
import { readOne, resolveDeployment, withDeployments } from '../deployments.ts';
import { addListOptions, utcOption, type ListOptions } from '../options.ts';
import { print, printList, printResult, warn } from '../output.ts';
import { addDeploymentTimeout, followDeployment, type DeploymentWait } from '../wait-for-deployment.ts';

interface Shown {
  json?: true;
  utc?: true;
}

export function addDeployments(program: Command): void {
  const command = program
    .command('deployments')
    .description('follow and steer the deployments of builds of agents_worker')
    .addHelpText('after', help);
  addListOptions(
    command
      .command('list')
      .description('list deployments, the newest first')
      .argument('[deployment-name]', 'only deployments of this name (default: of all)')
      .addOption(new Option('--status <status>', 'only deployments with this status').choices(deploymentStatuses)),
  ).action(list);
  command
    .command('builds')
    .description('list the builds of agents_worker that were seen, and whom they serve')
    .option('--json', 'one JSON array, times in UTC')
    .addOption(utcOption())
    .action(builds);
  onDeployment('show', 'show a deployment with its gate, its blast radius and what was found about instances')
    .option('--json', 'one JSON object, times in UTC')
    .addOption(utcOption())
    .action(show);
  addDeploymentTimeout(onDeployment('watch', 'tell the progress until the build is promoted')).action(watch);
  onDeployment('pause', 'give the candidate no more instances').action(asks('pause'));
  onDeployment('resume', 'go on with a paused deployment, also if it was paused for failures').action(asks('resume'));
  onDeployment('promote', 'promote the build without further steps').action(asks('promote'));
  onDeployment('rollback', 'give the previous build every instance back').action(asks('rollback'));
  onDeployment('abort', 'end a deployment before its promotion').action(asks('abort'));

  function onDeployment(name: string, description: string): Command {
    return command
      .command(name)
      .description(description)
      .argument('<deployment>', 'id of the deployment, its beginning, or a build or name whose latest one is meant');
  }
}

const help = `
Exit codes of watch: 0 promoted, 3 refused, rolled back or aborted, 4 not
promoted in time (the deployment goes on).

Examples:
  $ npx instances deploy 1.5.0-9f2c41d07ab3 --wait --timeout 2h
  $ npx instances deployments show agents-worker
  $ npx instances deployments rollback 1.5.0-9f2c41d07ab3`;

async function list(
  deploymentName: string | undefined,
  { status, ...options }: ListOptions & { status?: DeploymentStatus },
): Promise<void> {
  const deployments = await withDeployments((client) =>
    listDeployments(client, { deploymentName, statuses: status && [status], limit: options.limit + 1 }),
  );
  printList(deployments, options, {
    toLines: toDeploymentTable,
    none: 'There is no such deployment. Request one with npx instances deploy.',
  });
}

async function builds(options: Shown): Promise<void> {
  const found = await withDeployments(listBuilds);
  if (found.length === 0 && !options.json) {
    warn('No build was seen. Start an agents_worker with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID.');
  } else printResult(found, options, (layout) => toBuildTable(found, layout));
}

const shownInstances = 20;

async function show(typed: string, options: Shown): Promise<void> {
  await withDeployments(async (client) => {
    const deployment = await readOne(client, await resolveDeployment(client, typed));
    const found = await listDeploymentInstances(client, deployment.id, { limit: shownInstances });
    printResult({ ...deployment, instances: found }, options, (layout) =>
      describeDeployment(deployment, found, layout),
    );
  });
}

async function watch(typed: string, options: DeploymentWait): Promise<void> {
  await withDeployments(async (client) => followDeployment(client, await resolveDeployment(client, typed), options));
}

function asks(action: DeploymentAction) {
  return async (typed: string): Promise<void> => {
    await withDeployments(async (client) => {
      const id = await resolveDeployment(client, typed);
      await changeDeployment(client, id, action);
      print(`${asked[action]} ${deploymentInWords(await readOne(client, id))}`);
    });
  };
}

const asked: Readonly<Record<DeploymentAction, string>> = {
  pause: 'The deployment is to pause.',
  resume: 'The deployment is to go on.',
  promote: 'The build is to be promoted.',
  rollback: 'The deployment is to be rolled back.',
  abort: 'The deployment is to be aborted.',
};
