import { stripVTControlCharacters } from 'node:util';

const quotedLines = 5;
const quotedCharacters = 1000;

/** The end of what an agent printed, as much as a person reads in passing. Without NUL, which PostgreSQL refuses. */
export function lastLines(output: string): string {
  const lines = stripVTControlCharacters(output).replaceAll('\0', '').trim().split('\n');
  return lines.slice(-quotedLines).join('\n').slice(-quotedCharacters);
}

/** The same as a sentence, to be put behind another one. */
export function quoteLastOutput(output = ''): string {
  const text = lastLines(output);
  return text === '' ? 'It printed nothing.' : `Its last output: ${text}`;
}
