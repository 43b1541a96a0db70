import { InvalidArgumentError } from 'commander';
import { z } from 'zod';

const anyId = '00000000-0000-4000-8000-000000000000';

/** The range of ids that begin with the typed text. */
export interface IdPrefix {
  text: string;
  lowest: string;
  highest: string;
  /** Whether the text is a whole id. */
  complete: boolean;
}

/** Undefined when no UUID begins with the typed text. */
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
