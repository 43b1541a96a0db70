import { stripVTControlCharacters } from 'node:util';
import picocolors from 'picocolors';
import type { InstanceStatus } from '../contracts/names.ts';

/**
 * Only for eyes: `hasColors` heeds NO_COLOR, FORCE_COLOR and the kind of terminal. Of a pipe, `isTTY` is undefined, which would
 * leave the choice to picocolors, and that colours whatever runs where CI is set.
 */
export const colors = picocolors.createColors(process.stdout.isTTY ? process.stdout.hasColors() : false);

/** Of the terminal that is written to; undefined for a file or a pipe, whose lines are never cut. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What is not the result: errors, hints, progress. */
export function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Text of others (agents, messages) without what would steer the terminal. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[^\P{Cc}\n\t]/gu, '');
}

export type FormatTime = (time: Date) => string;

/** Milliseconds in both; the local form has no zone, so that lines stay short. */
export function timeFormat({ utc = false }: { utc?: boolean }): FormatTime {
  return (time) => {
    if (utc) return time.toISOString();
    const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString();
    return local.replace('T', ' ').replace('Z', '');
  };
}

export function colorOfStatus(status: InstanceStatus): (text: string) => string {
  switch (status) {
    case 'running':
      return colors.green;
    case 'failed':
      return colors.red;
    case 'pending':
      return colors.yellow;
    case 'stopped':
      return colors.dim;
  }
}

/** Broken between words, and within one that is longer than a line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const blank = rest.lastIndexOf(' ', width);
    const end = blank > 0 ? blank : width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** Of a text without colours. */
export function clipped(text: string, length = Infinity): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Without what colours it. */
export function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** Left-aligned columns, two blanks apart. Cells may hold colours. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, visibleLength(cell))));
  return rows.map((row) =>
    row
      .map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - visibleLength(cell)))
      .join('  ')
      .trimEnd(),
  );
}
