import { expect, test } from 'vitest';
import type { Findings } from '../../cli/explain/gather.ts';
import { toLines } from '../../cli/explain/report.ts';
import { wrap } from '../../cli/terminal.ts';

const at = (time: string) => new Date(`${time}Z`);
const findings: Findings = {
  instanceId: '11111111-1111-4111-8111-111111111111',
  database: { missing: 'PostgreSQL at 127.0.0.1:1 cannot be used: connect ECONNREFUSED. Start it, or correct DATABASE_URL.' }, // prettier-ignore
  deadLetters: { value: { letters: [], notes: [] } },
  workflow: {
    value: {
      runId: 'a-run',
      status: 'RUNNING',
      startTime: at('2026-01-01T23:59:59.000'),
      pendingActivities: [],
      workflowTaskAttempt: 1,
      unreadRuns: 0,
      timeline: [
        { time: at('2026-01-01T23:59:59.000'), source: 'workflow', text: 'run a-run started' },
        {
          time: at('2026-01-02T00:00:00.500'),
          source: 'workflow',
          text: 'told: runtime a-runtime ended: The agent ended with exit code 1. Its last output:\nno \u001B[31mdisk',
          bad: true,
        },
      ],
    },
  },
  runtime: { value: undefined },
};
const linesOf = (width: number | undefined) =>
  toLines({
    findings,
    verdict: { state: 'unknown', sentence: 'the row cannot be read: bring PostgreSQL back.' },
    last: 10,
    formatTime: (time) => time.toISOString(),
    width,
  });

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
