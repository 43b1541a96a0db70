import { expect, test } from 'vitest';
import { isMet, median, ratioOf, type Row } from '../bench/measurement.ts';
import { barsOf, curvesOf } from '../bench/report/plot.ts';
import { tableOf } from '../bench/report/table.ts';

const lifecycles: Row = {
  name: 'lifecycles',
  unit: '/s',
  better: 'more',
  value: 27,
  floor: { name: 'bare Temporal', value: 30 },
  goal: { of: 'ratio', atLeast: 1 },
};
const memory: Row = { name: 'memory', unit: 'MiB', better: 'less', value: 349.6, goal: { of: 'value', atMost: 350 } };

test('a goal bounds the value or its ratio to the floor', () => {
  expect(ratioOf(lifecycles)).toBeCloseTo(0.9);
  expect(isMet(lifecycles)).toBe(false);
  expect(isMet({ ...lifecycles, value: 30 })).toBe(true);
  expect(isMet(memory)).toBe(true);
  expect(isMet({ ...memory, value: 350.1 })).toBe(false);
});

test('a row without a goal is neither met nor missed, and one without a floor has no ratio', () => {
  const { goal: _, ...row } = memory;
  expect(isMet(row)).toBeUndefined();
  expect(ratioOf(row)).toBeUndefined();
});

test('the median of no values is not a number', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([])).toBeNaN();
});

test('the table names value, floor, ratio and goal of each row', () => {
  expect(tableOf([lifecycles, memory]).join('\n')).toMatchInlineSnapshot(`
    "              value  floor  ratio  goal
    lifecycles  27.0 /s   30.0   0.90  ratio ≥ 1  MISSED  floor: bare Temporal
    memory      350 MiB                ≤ 350 MiB  met"
  `);
});

test.each([
  ['bars', barsOf([lifecycles, memory], 'Speed <here>')],
  [
    'curves',
    curvesOf(
      [10, 100].map((size) => ({ ...lifecycles, at: { size, of: 'agents' } })),
      'Speed <here>',
    ),
  ],
])('the plot of %s is SVG with the figures as text', (_, plot) => {
  expect(plot).toMatch(/^<svg [^]*<\/svg>\n$/);
  expect(plot).toContain('Speed &lt;here>');
  expect(plot).toContain('>27.0');
  expect(plot).not.toMatch(/NaN|undefined/);
});
