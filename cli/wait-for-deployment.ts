import { Option, type Command } from 'commander';
import type { Client } from 'pg';
import type { DeploymentJson } from '../database/deployments/deployment-json.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { deploymentInWords } from './deployment-lines.ts';
import { readOne } from './deployments.ts';
import { print, warn } from './output.ts';
import { toJson } from './plain-text.ts';
import { parseSeconds, poll, waitOption } from './wait.ts';

export interface DeploymentWait {
  wait?: true;
  timeout?: number;
  until: 'promoted' | 'drained';
  json?: true;
}

export function addWaitForDeployment(command: Command): Command {
  return addDeploymentTimeout(command.addOption(waitOption('the build is promoted, or the deployment has ended')));
}

export function addDeploymentTimeout(command: Command): Command {
  return command
    .option('--timeout <seconds>', 'wait so long at most, e.g. 600 or 1h (default: without a limit)', parseSeconds)
    .addOption(
      new Option('--until <status>', 'with drained, also wait until the previous build has drained')
        .choices(['promoted', 'drained'])
        .default('promoted'),
    )
    .option('--json', 'print the deployment as one JSON object at the end');
}

export function isToWait({ wait, timeout }: DeploymentWait): boolean {
  return wait ?? timeout !== undefined;
}

/** Tells the progress of a deployment until its build is promoted or it has ended. @throws CommandError unless the build is promoted in time */
export async function followDeployment(
  client: Client,
  id: string,
  { timeout = Infinity, until, json }: DeploymentWait,
): Promise<void> {
  warn(`Watching the deployment ${id}. Ctrl-C ends the watching, not the deployment.`);
  let deployment = await readOne(client, id);
  let told = '';
  const isOver = await poll(timeout, async () => {
    deployment = await readOne(client, id);
    const progress = deploymentInWords(deployment);
    const isDone = deployment.ended_at !== null || (until === 'promoted' && isPromoted(deployment));
    if (progress !== told && !isDone) warn(progress);
    told = progress;
    return isDone;
  });
  if (json) print(toJson(deployment, 2));
  if (!isOver) {
    const sentence = `The deployment ${id} is not ${until} after ${timeout} s. ${told} It goes on.`;
    throw new CommandError(sentence, { exitCode: exitCodes.timedOut });
  }
  if (!isPromoted(deployment)) {
    throw new CommandError(`The deployment ${id} has ended. ${told}`, { exitCode: exitCodes.failed });
  }
  if (!json) print(`The build ${deployment.build_id} is promoted. ${told}`);
}

/** A promoted deployment may be rolled back, or paused on the way to it. The next one supersedes it where it stayed promoted. */
function isPromoted({ status, promoted_at: at, desired_state: desired }: DeploymentJson): boolean {
  if (status === 'promoted') return desired !== 'rolled_back';
  return at !== null && (status === 'drained' || status === 'superseded');
}
