import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError, Option } from 'commander';
import type { Client } from 'pg';
import { z } from 'zod';
import type { InstanceStatus } from '../contracts/names.ts';
import { readEnd } from '../database/instances/find.ts';
import { readInstanceView, type InstanceView } from '../database/instances/view.ts';
import { CommandError, exitCodes } from './command-error.ts';

const pollMs = 200;

export interface WaitOptions {
  wait?: true;
  timeout: number;
}

export const waitOption = (until: string) => new Option('--wait', `wait until ${until}`);
export const timeoutOption = () =>
  new Option('--timeout <seconds>', 'wait so long at most').argParser(parseSeconds).default(60).implies({ wait: true });

export function parseSeconds(typed: string): number {
  const seconds = z.number().positive().max(86_400).safeParse(toSeconds(typed));
  if (!seconds.success)
    throw new InvalidArgumentError('It must be a number of seconds, at most 86400, or e.g. 10m or 2h.');
  return seconds.data;
}

/** Without limits of its own. */
export function parseTime(typed: string): number {
  const seconds = z.number().safeParse(toSeconds(typed));
  if (!seconds.success) throw new InvalidArgumentError('It must be a number of seconds, or e.g. 10m or 2h.');
  return seconds.data;
}

const unitSeconds = { s: 1, m: 60, h: 3_600 };

/** @returns undefined unless the text is a number, alone or with a unit */
function toSeconds(typed: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(typed.trim()) ?? [];
  return number === undefined ? undefined : Number(number) * unitSeconds[(unit || 's') as keyof typeof unitSeconds];
}

interface Waiting {
  client: Client;
  id: string;
  timeoutSeconds: number;
}

export interface WaitForStatus extends Waiting {
  status: Extract<InstanceStatus, 'running' | 'stopped'>;
  /** The row has to speak of this generation. */
  generation: number;
  /** The row has to be newer than this version. */
  afterSequence?: number;
}

/** @throws CommandError when the instance fails, is deleted, gets another desired state or config, or the time is over */
export async function waitForStatus(options: WaitForStatus): Promise<void> {
  const { client, id, status, generation, afterSequence = 0, timeoutSeconds } = options;
  let last: InstanceView | undefined;
  const done = await poll(timeoutSeconds, async () => {
    last = await readInstanceView(client, id);
    if (!last) throw new CommandError(`The instance ${id} was deleted meanwhile.`);
    if (last.generation > generation) {
      throw new CommandError(
        `The instance ${id} was asked for something else meanwhile. See npx instances explain ${id}.`,
      );
    }
    if (last.observed_generation < generation || last.sequence <= afterSequence) return false;
    if (last.status === 'failed') {
      throw new CommandError(`The instance ${id} failed: ${reasonOf(last)}`, { exitCode: exitCodes.failed });
    }
    return last.status === status;
  });
  if (!done) {
    const standing = last ? ` It is ${last.status}${last.reason ? `: ${reasonOf(last)}` : '.'}` : '';
    throw timedOut(`The instance ${id} is not ${status} after ${timeoutSeconds} s.${standing}`, id);
  }
}

/** Waits until the event log says that the engine has cleaned up after a deleted row. */
export async function waitForEnd({ client, id, timeoutSeconds }: Waiting): Promise<void> {
  const done = await poll(timeoutSeconds, async () => {
    const { exists, isCleanedUp } = await readEnd(client, id);
    if (exists) throw new CommandError(`The instance ${id} was created again meanwhile.`);
    return isCleanedUp;
  });
  if (!done) throw timedOut(`The instance ${id} is not cleaned up after ${timeoutSeconds} s.`, id);
}

/** Asks until the answer is true. False when the time is over. */
export async function poll(timeoutSeconds: number, isDone: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + timeoutSeconds * 1000;
  for (;;) {
    if (await isDone()) return true;
    if (Date.now() + pollMs > deadline) return false;
    await delay(pollMs);
  }
}

function timedOut(message: string, id: string): CommandError {
  return new CommandError(`${message} See npx instances explain ${id}.`, { exitCode: exitCodes.timedOut });
}

function reasonOf({ reason }: InstanceView): string {
  return reason ? `${reason.code}: ${reason.message}` : 'it gave no reason.';
}
