import type { Command } from 'commander';
import type { Client } from 'pg';
import { canBeRetried } from '../../database/can-be-retried.ts';
import type { DesiredState } from '../../contracts/names.ts';
import { changeInstance, deleteInstance } from '../../database/instances/change.ts';
import { readInstanceView } from '../../database/instances/view.ts';
import { readCommandLineConfiguration } from '../../configuration/command-line.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { resolveInstance } from '../instances.ts';
import { parseIdPrefix, type IdPrefix } from '../ids.ts';
import { print } from '../output.ts';
import { timeoutOption, waitOption, waitForEnd, waitForStatus, type WaitOptions } from '../wait.ts';

type Change = (client: Client, id: string, options: WaitOptions) => Promise<void>;

/** `stop`, `start`, `retry` and `delete` change an instance and can wait until the engine has done it. */
export function addChanges(program: Command): void {
  const add = (name: string, description: string, until: string, change: Change): void => {
    program
      .command(name)
      .description(description)
      .argument('<id>', 'id of the instance, or its beginning', parseIdPrefix)
      .addOption(waitOption(until))
      .addOption(timeoutOption())
      .addHelpText('after', `\nExample:\n  $ npx instances ${name} c6077f7e --wait --timeout 120`)
      .action((prefix: IdPrefix, options: WaitOptions) =>
        withDatabase(async (client) => change(client, await resolveInstance(client, prefix), options)),
      );
  };
  add('stop', 'stop the agent and keep the instance', 'it is stopped', (...rest) => desire('stopped', ...rest));
  add('start', 'start a stopped instance again', 'it runs', (...rest) => desire('running', ...rest));
  add('retry', 'try a failed instance again, with the same config', 'it runs', retry);
  add('delete', 'delete the instance and everything that was provisioned for it', 'it is cleaned up', remove);
}

async function desire(
  desiredState: DesiredState,
  client: Client,
  id: string,
  { wait, timeout }: WaitOptions,
): Promise<void> {
  const before = await readInstanceView(client, id);
  if (desiredState === 'running' && before?.desired_state === 'running' && before.status === 'failed') {
    throw new CommandError(`The instance ${id} is failed and wanted to run already: try npx instances retry ${id}.`);
  }
  const changed = await changeInstance(client, id, { desiredState });
  if (!changed) throw new CommandError(`The instance ${id} was deleted meanwhile.`);
  if (wait) {
    const { generation } = changed;
    await waitForStatus({ client, id, status: desiredState, generation, timeoutSeconds: timeout });
    print(`The instance ${id} is ${desiredState}.`);
  } else print(`The instance ${id} is asked to be ${desiredState}.`);
}

async function retry(client: Client, id: string, { wait, timeout }: WaitOptions): Promise<void> {
  const instance = await readInstanceView(client, id);
  if (!instance) throw new CommandError(`The instance ${id} was deleted meanwhile.`);
  const { status, desired_state: wanted, generation, sequence } = instance;
  if (!canBeRetried(instance)) {
    const advice = wanted === 'stopped' ? ` To run it: npx instances start ${id}.` : '';
    throw new CommandError(`The instance ${id} is ${status}, not failed: there is nothing to try again.${advice}`);
  }
  await askForRetry(client, id);
  if (wait) {
    await waitForStatus({ client, id, status: wanted, generation, afterSequence: sequence, timeoutSeconds: timeout });
    print(`The instance ${id} is ${wanted}.`);
  } else print(`The instance ${id} is asked to try again.`);
}

async function askForRetry(database: Client, id: string): Promise<void> {
  // Loaded here, since Temporal's client takes longer to load than the other commands need.
  const { withTemporal } = await import('../temporal.ts');
  const { requestRetry } = await import('../../bridge/signals/instance-workflows.ts');
  const { AnotherEngine, requireSameEngine } = await import('../../bridge/signals/engine.ts');
  const taskQueue = readCommandLineConfiguration().taskQueue();
  const isAsked = await withTemporal(async (temporal) => {
    try {
      await requireSameEngine(database, temporal, taskQueue);
    } catch (error) {
      if (!(error instanceof AnotherEngine)) throw error;
      throw new CommandError(`${error.message} Correct the setting.`, { cause: error });
    }
    return requestRetry(temporal, id);
  });
  if (isAsked) return;
  throw new CommandError(
    `No workflow looks after the instance ${id}. Try again once the sweeper has started one; see npx instances explain ${id}.`,
  );
}

async function remove(client: Client, id: string, { wait, timeout }: WaitOptions): Promise<void> {
  const deleted = await deleteInstance(client, id);
  if (!deleted) throw new CommandError(`The instance ${id} was deleted meanwhile.`);
  if (wait) {
    await waitForEnd({ client, id, timeoutSeconds: timeout });
    print(`The instance ${id} is deleted and cleaned up.`);
  } else print(`The instance ${id} is deleted; its agent is being cleaned up.`);
}
