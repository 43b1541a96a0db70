import { colors, plain, table, wrap, type FormatTime } from '../terminal.ts';
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

interface Terminal {
  formatTime: FormatTime;
  /** Undefined for a file or a pipe: one line for each entry, with its date. */
  width: number | undefined;
}

/** For eyes: the timeline, what is missing, the verdict. */
export function toLines({ formatTime, width, ...report }: Report & Terminal): string[] {
  const { findings, verdict } = report;
  const { shown, earlier } = timelineOf(report);
  const wrapped = (text: string): string[] => (width === undefined ? [text] : wrap(text, width));
  return [
    colors.bold(`instance ${findings.instanceId}`),
    ...(earlier > 0 ? [colors.dim(`${earlier} or more earlier lines: give a larger --last`)] : []),
    ...table(
      width === undefined ? shown.flatMap((entry) => toRows(entry, { formatTime })) : inDays(shown, formatTime, width),
    ),
    '',
    ...missingParts(findings).flatMap(({ part, reason }) =>
      wrapped(`missing the ${part}: ${reason}`).map(colors.yellow),
    ),
    ...notLookedAt(findings).flatMap((what) => wrapped(`not looked at ${what}`).map(colors.yellow)),
    ...wrapped(plain(verdict.sentence).replaceAll('\n', ' ')).map((line) =>
      colors.bold(verdictColors[verdict.state](line)),
    ),
  ];
}

/** Each day once above its entries, which leaves more of a terminal's width to what happened. */
function inDays(shown: TimelineEntry[], formatTime: FormatTime, width: number): string[][] {
  const widestSource = Math.max(0, ...shown.map(({ source }) => source.length));
  const textWidth = Math.max(20, width - clock.length - widestSource - 4);
  let day = '';
  return shown.flatMap((entry) => {
    const before = day;
    if (entry.time) day = formatTime(entry.time).slice(0, 10);
    const rows = toRows(entry, { formatTime: (time) => formatTime(time).slice(11), textWidth });
    return day === before ? rows : [[colors.bold(day)], ...rows];
  });
}

const clock = '23:59:59.999Z';

/** One entry as time, source and text; what the text quotes, and what does not fit, on lines of its own. */
function toRows(
  { time, source, text, bad }: TimelineEntry,
  { formatTime, textWidth = Infinity }: { formatTime: FormatTime; textWidth?: number },
): string[][] {
  const [first = '', ...quoted] = plain(text).split('\n');
  const [start = '', ...more] = wrap(first, textWidth);
  const paint = bad ? colors.red : (line: string): string => line;
  return [
    [colors.dim(time ? formatTime(time) : 'time unknown'), sourceColors[source](source), paint(start)],
    ...more.map((line) => ['', '', paint(line)]),
    ...quoted.flatMap((line) => wrap(line, textWidth)).map((line) => ['', '', colors.dim(line)]),
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
