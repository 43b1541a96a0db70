import { stripVTControlCharacters } from 'node:util';
import { maskSecrets, type Secret } from './secrets.ts';

const quotedLines = 5;
const quotedCharacters = 1000;

/**
 * The last few lines that an agent printed, with the name of each secret in its place. The result has no NUL, which
 * PostgreSQL refuses.
 */
export function lastLines(output: string, secrets: readonly Secret[] = []): string {
  const text = maskSecrets(stripVTControlCharacters(output).replaceAll('\0', ''), secrets);
  return text.trim().split('\n').slice(-quotedLines).join('\n').slice(-quotedCharacters);
}

/** A sentence that quotes the last lines, for the end of a message. */
export function quoteLastOutput(output = ''): string {
  const text = lastLines(output);
  return text === '' ? 'It printed nothing.' : `Its last output: ${text}`;
}
