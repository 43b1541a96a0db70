import { expect, test } from 'vitest';
import { toLines } from '../../cli/explanation-lines.ts';
import { wrap } from '../../cli/terminal.ts';
import type { Explanation } from '../../explain/explanation.ts';

const explanation: Explanation = {
  instance_id: '11111111-1111-4111-8111-111111111111',
  verdict: { state: 'unknown', sentence: 'the row cannot be read: bring PostgreSQL back.' },
  row: null,
  host: null,
  runs_as: null,
  runtime: null,
  earlier_lines: 0,
  timeline: [
    { time: '2026-01-01T23:59:59.000Z', source: 'workflow', text: 'run a-run started', bad: false },
    {
      time: '2026-01-02T00:00:00.500Z',
      source: 'workflow',
      text: 'told: runtime a-runtime ended: The agent ended with exit code 1. Its last output:\nno \u001B[31mdisk',
      bad: true,
    },
  ],
  missing: [{ part: 'row and event log', reason: 'PostgreSQL at 127.0.0.1:1 cannot be used: connect ECONNREFUSED. Start it, or correct DATABASE_URL.' }], // prettier-ignore
  not_looked_at: [],
};
const linesOf = (width: number | undefined) =>
  toLines(explanation, { formatTime: (time) => time.toISOString(), width });

test('a file or a pipe gets the whole time on every line, and no line is cut', () => {
  expect(linesOf(undefined)).toEqual([
    'instance 11111111-1111-4111-8111-111111111111',
    '2026-01-01T23:59:59.000Z  workflow  run a-run started',
    '2026-01-02T00:00:00.500Z  workflow  told: runtime a-runtime ended: The agent ended with exit code 1. Its last output:',
    '                                    no disk',
    '',
    'missing the row and event log: PostgreSQL at 127.0.0.1:1 cannot be used: connect ECONNREFUSED. Start it, or correct DATABASE_URL.',
    'the row cannot be read: bring PostgreSQL back.',
  ]);
});

test('a terminal gets lines that fit, below the day that they are of', () => {
  expect(linesOf(80)).toEqual([
    'instance 11111111-1111-4111-8111-111111111111',
    '2026-01-01',
    '23:59:59.000Z  workflow  run a-run started',
    '2026-01-02',
    '00:00:00.500Z  workflow  told: runtime a-runtime ended: The agent ended with',
    '                         exit code 1. Its last output:',
    '                         no disk',
    '',
    'missing the row and event log: PostgreSQL at 127.0.0.1:1 cannot be used: connect',
    'ECONNREFUSED. Start it, or correct DATABASE_URL.',
    'the row cannot be read: bring PostgreSQL back.',
  ]);
});

test('a word that is longer than a line is broken', () => {
  expect(wrap('a 123456789', 4)).toEqual(['a', '1234', '5678', '9']);
  expect(wrap('1234 5', 4)).toEqual(['1234', '5']);
});
