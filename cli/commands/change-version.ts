import type { Command } from 'commander';
import type { Client } from 'pg';
import type { VersionPolicy } from '../../contracts/names.ts';
import { changeInstance } from '../../database/instances/change.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { parseIdPrefix, type IdPrefix } from '../ids.ts';
import { resolveInstance } from '../instances.ts';
import { print } from '../output.ts';
import { versionPolicyOption, versionRefusalOf } from '../versions.ts';
import { timeoutOption, waitForStatus, waitOption, type WaitOptions } from '../wait.ts';

interface ChangeOptions extends WaitOptions {
  agentVersion?: string;
  versionPolicy?: VersionPolicy;
}

export function addChangeVersion(program: Command): void {
  program
    .command('change')
    .description('change which version of its agent an instance runs, and whether rollouts may change it')
    .argument('<id>', 'id of the instance, or its beginning', parseIdPrefix)
    .option('--agent-version <version>', 'version of the agent to run from now on')
    .addOption(versionPolicyOption())
    .addOption(waitOption('it runs, or is stopped if it is to be stopped'))
    .addOption(timeoutOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx instances change c6077f7e --agent-version 1.1.0 --wait
  $ npx instances change c6077f7e --version-policy hold`,
    )
    .action((prefix: IdPrefix, options: ChangeOptions) =>
      withDatabase(async (client) => change(client, await resolveInstance(client, prefix), options)),
    );
}

async function change(client: Client, id: string, options: ChangeOptions): Promise<void> {
  const { agentVersion, versionPolicy, wait, timeout } = options;
  if (agentVersion === undefined && versionPolicy === undefined) {
    throw new CommandError('Nothing is to change: give --agent-version or --version-policy.');
  }
  const changed = await changeInstance(client, id, { agentVersion, versionPolicy }).catch((error: unknown) => {
    throw versionRefusalOf(error) ?? error;
  });
  if (!changed) throw new CommandError(`The instance ${id} was deleted meanwhile.`);
  const { agent_version: version, version_policy: policy, desired_state: status, generation } = changed;
  const isToRun = `version ${version}${policy === 'hold' ? ', which rollouts leave alone' : ''}`;
  if (wait) {
    await waitForStatus({ client, id, status, generation, timeoutSeconds: timeout });
    print(`The instance ${id} is ${status} with ${isToRun}.`);
  } else print(`The instance ${id} is to run ${isToRun}.`);
}
