import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';

const anyId = '00000000-0000-4000-8000-000000000000';

/** The ids that begin with what was typed. */
export interface IdPrefix {
  text: string;
  lowest: string;
  highest: string;
  /** The whole id was typed. */
  complete: boolean;
}

/** Undefined when no UUID begins like that. */
export function toIdPrefix(typed: string): IdPrefix | undefined {
  const text = typed.toLowerCase();
  const filled = (digit: string): string => text + anyId.slice(text.length).replaceAll(/[\da-f]/g, digit);
  const fits = text.length >= 4 && /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/.test(filled('0'));
  return fits ? { text, lowest: filled('0'), highest: filled('f'), complete: text.length === anyId.length } : undefined;
}

export function parseIdPrefix(typed: string): IdPrefix {
  const prefix = toIdPrefix(typed);
  if (!prefix) throw new InvalidArgumentError('An id is a UUID, or its first four characters or more.');
  return prefix;
}

export function parseUuid(typed: string): string {
  const id = z.uuid().safeParse(typed.toLowerCase());
  if (!id.success) throw new InvalidArgumentError('It must be a UUID (RFC 9562), such as uuidgen prints.');
  return id.data;
}

export function parseCount(typed: string): number {
  const count = z.coerce.number().int().positive().max(100_000).safeParse(typed);
  if (!count.success) throw new InvalidArgumentError('It must be a whole number from 1 to 100000.');
  return count.data;
}

function parseSeconds(typed: string): number {
  const seconds = z.coerce.number().positive().max(86_400).safeParse(typed);
  if (!seconds.success) throw new InvalidArgumentError('It must be a number of seconds, at most 86400.');
  return seconds.data;
}

export interface WaitOptions {
  wait?: true;
  timeout: number;
}

export const waitOption = (until: string) => new Option('--wait', `wait until ${until}`);
export const timeoutOption = () =>
  new Option('--timeout <seconds>', 'wait so long at most').argParser(parseSeconds).default(60).implies({ wait: true });
export const utcOption = () => new Option('--utc', 'times in UTC instead of the local zone');
