import type { Command } from 'commander';
import type { Client } from 'pg';
import { CommandError, exitCodes } from './command-error.ts';
import { print, warn } from './output.ts';
import { toJson } from './plain-text.ts';
import { rolloutInWords } from './rollout-lines.ts';
import { readOne } from './rollouts.ts';
import { parseSeconds, poll, waitOption } from './wait.ts';

export interface RolloutWait {
  wait?: true;
  timeout?: number;
  json?: true;
}

export function addWaitForRollout(command: Command): Command {
  return addRolloutTimeout(command.addOption(waitOption('the rollout has ended')));
}

export function addRolloutTimeout(command: Command): Command {
  return command
    .option('--timeout <seconds>', 'wait so long at most, e.g. 600 or 10m (default: without a limit)', parseSeconds)
    .option('--json', 'print the rollout as one JSON object at the end');
}

export function isToWait({ wait, timeout }: RolloutWait): boolean {
  return wait ?? timeout !== undefined;
}

/** Tells the progress of a rollout until it has ended. @throws CommandError unless it was completed in time */
export async function followRollout(
  client: Client,
  id: string,
  { timeout = Infinity, json }: RolloutWait,
): Promise<void> {
  warn(`Watching the rollout ${id}. Ctrl-C ends the watching, not the rollout.`);
  let rollout = await readOne(client, id);
  let told = '';
  const isOver = await poll(timeout, async () => {
    rollout = await readOne(client, id);
    const progress = rolloutInWords(rollout);
    if (progress !== told && rollout.ended_at === null) warn(progress);
    told = progress;
    return rollout.ended_at !== null;
  });
  if (json) print(toJson(rollout, 2));
  if (!isOver) {
    const sentence = `The rollout ${id} has not ended after ${timeout} s. ${told} It goes on.`;
    throw new CommandError(sentence, { exitCode: exitCodes.timedOut });
  }
  if (rollout.status !== 'completed') {
    throw new CommandError(`The rollout ${id} has ended. ${told}`, { exitCode: exitCodes.failed });
  }
  if (!json) print(`The rollout ${id} has ended. ${told}`);
}
