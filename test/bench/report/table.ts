import { boundOf, isMet, ratioOf, type Row } from '../measurement.ts';

/** The table as lines of text. */
export function tableOf(rows: readonly Row[]): string[] {
  const cells = rows.map((row) => [
    nameOf(row),
    `${short(row.value)} ${row.unit}`.trimEnd(),
    row.floor ? short(row.floor.value) : '',
    row.floor ? (ratioOf(row) ?? NaN).toFixed(2) : '',
    goalOf(row),
    markOf(row),
    row.floor ? `floor: ${row.floor.name}` : '',
  ]);
  const lines = [['', 'value', 'floor', 'ratio', 'goal', '', ''], ...cells];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length))) ?? [];
  return lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 || column > 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** The name of a row, with its place on the curve where it has one. */
export function nameOf({ name, at }: Row): string {
  return at ? `${name}, ${at.size.toLocaleString('en')} ${at.of}` : name;
}

/** Three digits are all that a measurement on a shared machine is worth. */
export function short(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

export function goalOf({ goal, unit }: Row): string {
  if (!goal) return '';
  const sign = 'atLeast' in goal ? '≥' : '≤';
  return goal.of === 'ratio' ? `ratio ${sign} ${boundOf(goal)}` : `${sign} ${boundOf(goal)} ${unit}`.trimEnd();
}

function markOf(row: Row): string {
  const met = isMet(row);
  if (met === undefined) return '';
  return met ? 'met' : 'MISSED';
}
