import { colors, plain, table, type FormatTime } from '../terminal.ts';
import { deadLetterTimeline } from './dead-letters.ts';
import { logTimeline } from './event-log.ts';
import { missingParts, valueOf, type Findings } from './gather.ts';
import { runtimeTimeline } from './runtime.ts';
import { sortTimeline, type TimelineEntry } from './timeline.ts';
import type { Verdict } from './verdict-form.ts';

interface Report {
  findings: Findings;
  verdict: Verdict;
  /** How many of the latest lines are shown. */
  last: number;
}

/** For a terminal: the timeline, what is missing, the verdict. */
export function toLines({ formatTime, ...report }: Report & { formatTime: FormatTime }): string[] {
  const { findings, verdict } = report;
  const { shown, earlier } = timelineOf(report);
  const rows = shown.map(({ time, source, text, bad }) => {
    const [first = '', ...rest] = plain(text).split('\n');
    const paint = bad ? colors.red : (line: string): string => line;
    const when = colors.dim(time ? formatTime(time) : 'time unknown');
    return [[when, sourceColors[source](source), paint(first)], ...rest.map((line) => ['', '', colors.dim(line)])];
  });
  return [
    colors.bold(`instance ${findings.instanceId}`),
    ...(earlier > 0 ? [colors.dim(`${earlier} or more earlier lines: give a larger --last`)] : []),
    ...table(rows.flat()),
    '',
    ...missingParts(findings).map(({ part, reason }) => `${colors.yellow('missing')} the ${part}: ${reason}`),
    ...notLookedAt(findings).map((what) => `${colors.yellow('not looked at')} ${what}`),
    colors.bold(verdictColors[verdict.state](plain(verdict.sentence).replaceAll('\n', ' '))),
  ];
}

/** For programs; times in UTC. */
export function toJson(report: Report) {
  const { findings, verdict } = report;
  const { shown, earlier } = timelineOf(report);
  const runtime = valueOf(findings.runtime);
  return {
    instance_id: findings.instanceId,
    verdict,
    row: valueOf(findings.database)?.row ?? null,
    runtime: runtime ? { ...runtime, runtimeId: undefined, runtime_id: runtime.runtimeId } : null,
    earlier_lines: earlier,
    timeline: shown.map(({ time, source, text, bad = false }) => ({ time: time ?? null, source, text, bad })),
    missing: missingParts(findings),
    not_looked_at: notLookedAt(findings),
  };
}

function timelineOf({ findings, last }: Report): { shown: TimelineEntry[]; earlier: number } {
  const database = valueOf(findings.database);
  const deadLetters = valueOf(findings.deadLetters);
  const workflow = valueOf(findings.workflow);
  const runtime = valueOf(findings.runtime);
  const all = sortTimeline([
    ...(database ? logTimeline(database.log) : []),
    ...(deadLetters ? deadLetterTimeline(deadLetters) : []),
    ...(workflow?.timeline ?? []),
    ...(runtime ? runtimeTimeline(runtime) : []),
  ]);
  const shown = all.slice(-last);
  return { shown, earlier: all.length - shown.length };
}

function notLookedAt({ deadLetters, workflow }: Findings): string[] {
  const unreadRuns = valueOf(workflow)?.unreadRuns ?? 0;
  return [
    ...(valueOf(deadLetters)?.notes ?? []),
    ...(unreadRuns > 0 ? [`${unreadRuns} earlier runs of the workflow (give a larger --last)`] : []),
  ];
}

const sourceColors = {
  row: colors.cyan,
  'dead letter': colors.red,
  workflow: colors.magenta,
  runtime: colors.blue,
};

const verdictColors = {
  running: colors.green,
  stopped: colors.dim,
  failed: colors.red,
  deleted: colors.dim,
  waiting: colors.yellow,
  stuck: colors.red,
  unknown: colors.yellow,
};
