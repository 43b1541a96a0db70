import { InvalidArgumentError, Option, type Command } from 'commander';
import { z } from 'zod';

function wholeNumber(max: number) {
  return (typed: string): number => {
    const count = z.coerce.number().int().positive().max(max).safeParse(typed);
    if (!count.success) throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`);
    return count.data;
  };
}

export const parseCount = wholeNumber(100_000);
export const parseRuns = wholeNumber(Number.MAX_SAFE_INTEGER);

export interface ListOptions {
  limit: number;
  json?: true;
  utc?: true;
}

/** Adds the options that `printList` takes. */
export function addListOptions(command: Command): Command {
  return command
    .option('--limit <n>', 'print at most this many', parseCount, 50)
    .option('--json', 'one JSON array, times in UTC')
    .addOption(utcOption());
}

export const utcOption = () => new Option('--utc', 'times in UTC instead of the local zone');
