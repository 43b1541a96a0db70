import { stripVTControlCharacters } from 'node:util';
import picocolors from 'picocolors';
import type { InstanceStatus } from '../contracts/names.ts';

/**
 * Only a terminal gets colours. `hasColors` respects NO_COLOR, FORCE_COLOR and the kind of terminal. For a pipe, `isTTY` is undefined,
 * and picocolors would then decide itself and colour all output where CI is set.
 */
export const colors = picocolors.createColors(process.stdout.isTTY ? process.stdout.hasColors() : false);

export type FormatTime = (time: Date) => string;

/** How the lines of a result are laid out. */
export interface Layout {
  formatTime: FormatTime;
  /** Width of the terminal in characters; undefined for a file or a pipe, whose lines are never cut. */
  width?: number | undefined;
}

/** Undefined for a file or a pipe. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? usableWidth(process.stdout.columns) : undefined;
}

/** Some terminals report no width or 0. Lines of a few characters would help nobody. */
export function usableWidth(columns: number | undefined): number {
  return columns !== undefined && columns > 0 ? Math.max(20, Math.floor(columns)) : 80;
}

/** Both forms have milliseconds. The local form has no zone, so that lines stay short. */
export function timeFormat({ utc = false }: { utc?: boolean | undefined }): FormatTime {
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

/** Breaks lines between words, and within a word only when it is longer than a line. */
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

/** Shortens a length so that it splits no surrogate pair, but to no less than one character. */
function wholeCharacters(text: string, length: number): number {
  const isCut = /[\uD800-\uDBFF]/.test(text.charAt(length - 1)) && /[\uDC00-\uDFFF]/.test(text.charAt(length));
  return isCut ? (length > 1 ? length - 1 : 2) : length;
}

/** Cuts a text that has no colours, and marks the cut with an ellipsis. */
export function clipped(text: string, length = Infinity): string {
  return text.length > length ? `${text.slice(0, wholeCharacters(text, Math.max(1, length - 1)))}…` : text;
}

/** Length without the control sequences of colours. */
export function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** Aligns columns to the left, two blanks apart. Cells may have colours. */
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

export interface Column<Item> {
  head: string;
  cell: (item: Item) => string;
}

/** The table with the first of several sets of columns that fits the width, or with the last set if none fits. */
export function fittingTable<Item>(
  items: readonly Item[],
  forms: readonly (readonly Column<Item>[])[],
  width = Infinity,
): string[] {
  const tables = forms.map((columns) =>
    table([
      columns.map(({ head }) => colors.bold(head)),
      ...items.map((item) => columns.map(({ cell }) => cell(item))),
    ]),
  );
  return tables.find((lines) => lines.every((line) => visibleLength(line) <= width)) ?? tables.at(-1) ?? [];
}
