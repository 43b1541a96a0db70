import { boundOf, isMet, ratioOf, type Row } from '../measurement.ts';
import { goalOf, nameOf, short } from './table.ts';

const width = 980;
const rowHeight = 34;
const chart = { left: 340, width: 400 };
const top = 56;
const colors = {
  met: '#2e7d32',
  missed: '#c62828',
  plain: '#546e7a',
  floor: '#b0bec5',
  goal: '#212121',
  text: '#212121',
};
const font = 'font-family="system-ui, sans-serif" font-size="12"';

/** Bars of each row and its floor on a scale of the row's own, with a line where the goal is. */
export function barsOf(rows: readonly Row[], title: string): string {
  const height = top + rows.length * rowHeight + 12;
  return svg(height, title, rows.map((row, index) => barOf(row, top + index * rowHeight)).join('\n'));
}

/** One curve for each name of a row, with the sizes on a logarithmic axis. */
export function curvesOf(rows: readonly Row[], title: string): string {
  const names = [...new Set(rows.map(({ name, at }) => `${name}|${at?.of ?? ''}`))];
  const panel = { width: width / 2, height: 210 };
  const panels = names.map((key, index) => {
    const points = rows.filter(({ name, at }) => `${name}|${at?.of ?? ''}` === key);
    return curveOf(points, { x: (index % 2) * panel.width, y: top + Math.floor(index / 2) * panel.height, ...panel });
  });
  return svg(top + Math.ceil(names.length / 2) * panel.height, title, panels.join('\n'));
}

function barOf(row: Row, y: number): string {
  const { value, floor, goal } = row;
  // A goal for the ratio is a goal for the value, beside the floor of the same run.
  const goalValue = goal && (goal.of === 'value' ? boundOf(goal) : boundOf(goal) * (floor?.value ?? NaN));
  const largest = Math.max(value, floor?.value ?? 0, goalValue ?? 0);
  const x = (of: number): number => (of / largest) * chart.width;
  const met = isMet(row);
  const color = met === undefined ? colors.plain : met ? colors.met : colors.missed;
  const ratio = ratioOf(row);
  const said = [
    `${short(value)} ${row.unit}`.trim(),
    ratio && `${ratio.toFixed(2)} of the floor`,
    goalOf(row) && `goal: ${goalOf(row)}`,
  ];
  return [
    text(chart.left - 10, y + 16, nameOf(row), 'end'),
    rect(chart.left, y + 3, x(value), floor ? 12 : 18, color),
    floor ? rect(chart.left, y + 16, x(floor.value), 8, colors.floor) : '',
    goalValue === undefined ? '' : line(chart.left + x(goalValue), y, chart.left + x(goalValue), y + 27),
    text(chart.left + chart.width + 10, y + 16, said.filter(Boolean).join(', '), 'start', 10),
  ].join('');
}

interface Panel {
  x: number;
  y: number;
  width: number;
  height: number;
}

function curveOf(points: readonly Row[], panel: Panel): string {
  const [first] = points;
  const sizes = points.map(({ at }) => at?.size ?? 1);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const highest = Math.max(...points.flatMap(({ value, floor }) => [value, floor?.value ?? 0]));
  const inner = { x: panel.x + 60, y: panel.y + 44, width: panel.width - 130, height: panel.height - 90 };
  const xOf = (size: number): number =>
    inner.x + (most === least ? 0.5 : Math.log(size / least) / Math.log(most / least)) * inner.width;
  const yOf = (value: number): number => inner.y + inner.height * (1 - value / highest);
  const path = (valueOf: (row: Row) => number | undefined, color: string): string => {
    const places = points.flatMap((row) => {
      const value = valueOf(row);
      return value === undefined ? [] : [`${xOf(row.at?.size ?? 1).toFixed(1)},${yOf(value).toFixed(1)}`];
    });
    return `<polyline points="${places.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`;
  };
  return [
    text(
      panel.x + 20,
      panel.y + 18,
      `${first?.name ?? ''} (${first?.unit ?? ''}) by ${first?.at?.of ?? ''}`,
      'start',
      13,
    ),
    line(inner.x, inner.y + inner.height, inner.x + inner.width, inner.y + inner.height, colors.floor),
    path(({ floor }) => floor?.value, colors.floor),
    path(({ value }) => value, colors.plain),
    ...points.map(({ value, at }) => {
      const [x, y] = [xOf(at?.size ?? 1), yOf(value)];
      return [
        `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${colors.plain}"/>`,
        text(x, y - 8, short(value), 'middle'),
        text(x, inner.y + inner.height + 18, (at?.size ?? 0).toLocaleString('en'), 'middle'),
      ].join('');
    }),
  ].join('');
}

function svg(height: number, title: string, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ${font}>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${text(20, 26, title, 'start', 15)}
${text(20, 44, 'Grey bars and lines: the floor of the same run. Black lines: goals.', 'start', 11)}
${content}
</svg>
`;
}

function rect(x: number, y: number, w: number, h: number, fill: string): string {
  return `<rect x="${x}" y="${y}" width="${w.toFixed(1)}" height="${h}" fill="${fill}"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, color = colors.goal): string {
  const places = `x1="${x1.toFixed(1)}" y1="${y1}" x2="${x2.toFixed(1)}" y2="${y2}"`;
  return `<line ${places} stroke="${color}" stroke-width="2"/>`;
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', size = 12): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}" fill="${colors.text}">${escaped}</text>`;
}
