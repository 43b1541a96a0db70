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
  return process.stdout.isTTY ? usableWidth(process.stdout.columns) : undefined;
}

/** Some terminals say 0 or nothing of their width; lines of a few characters would help nobody. */
export function usableWidth(columns: number | undefined): number {
  return columns !== undefined && columns > 0 ? Math.max(20, Math.floor(columns)) : 80;
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What is not the result: errors, hints, progress. */
export function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Shows nothing, or changes how the text around it is shown: controls, directions, what is invisible, halves of characters. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const newlineOrEmoji = /\n|\uFE0E|\uFE0F/;

/** Text of others (agents, messages): colours are left out, and whatever else would steer the terminal is shown, e.g. as `\\u202e`. */
export function plain(text: string): string {
  return showUnseen(stripVTControlCharacters(text).replaceAll('\t', '  ').replaceAll('\r\n', '\n'));
}

/** The same on one line, for a table. */
export function plainLine(text: string): string {
  return plain(text).replaceAll('\n', ' ');
}

/** JSON that reads back the same, without what would steer the terminal. */
export function toJson(value: unknown, indent?: number): string {
  return showUnseen(JSON.stringify(value, undefined, indent));
}

function showUnseen(text: string): string {
  return text.replaceAll(unseen, (character) => {
    if (newlineOrEmoji.test(character)) return character;
    return Array.from({ length: character.length }, (_, index) => {
      const unit = character.charCodeAt(index).toString(16).padStart(4, '0');
      return `\\u${unit}`;
    }).join('');
  });
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

/** Broken between words, and within one that is longer than a line; a line has at least one character. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const blank = rest.lastIndexOf(' ', width);
    const end = blank > 0 ? blank : wholeCharacters(rest, Math.max(1, Math.floor(width)));
    if (end >= rest.length) break;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** At least one, and no half of one. */
function wholeCharacters(text: string, length: number): number {
  const isCut = /[\uD800-\uDBFF]/.test(text.charAt(length - 1)) && /[\uDC00-\uDFFF]/.test(text.charAt(length));
  return isCut ? (length > 1 ? length - 1 : 2) : length;
}

/** Of a text without colours. */
export function clipped(text: string, length = Infinity): string {
  return text.length > length ? `${text.slice(0, wholeCharacters(text, Math.max(1, length - 1)))}…` : text;
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
