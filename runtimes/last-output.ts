import { stripVTControlCharacters } from 'node:util';
import { maskSecrets, type Secret } from './secrets.ts';

const quotedLines = 5;
const quotedCharacters = 1000;

/**
 * The end of what an agent printed, as much as a person reads in passing, with the names of its secrets in their place.
 * Without NUL, which PostgreSQL refuses.
 */
export function lastLines(output: string, secrets: readonly Secret[] = []): string {
  const text = maskSecrets(stripVTControlCharacters(output).replaceAll('\0', ''), secrets);
  return text.trim().split('\n').slice(-quotedLines).join('\n').slice(-quotedCharacters);
}

/** The same as a sentence, to be put behind another one. */
export function quoteLastOutput(output = ''): string {
  const text = lastLines(output);
  return text === '' ? 'It printed nothing.' : `Its last output: ${text}`;
}
