import type { Explanation } from '../explain/explanation.ts';
import { versionsInWords } from '../explain/version-words.ts';
import { colors, table, wrap, type FormatTime, type Layout } from './terminal.ts';
import { plain, plainLine } from './plain-text.ts';

type Line = Explanation['timeline'][number];

/** The timeline, the missing parts and the verdict as lines. */
export function toLines(explanation: Explanation, { formatTime, width }: Layout): string[] {
  const {
    instance_id: id,
    row,
    host,
    runs_as: runsAs,
    verdict,
    timeline,
    earlier_lines: earlier,
    missing,
    not_looked_at: unseen,
  } = explanation;
  const wrapped = (text: string): string[] => (width === undefined ? [plainLine(text)] : wrap(plainLine(text), width));
  const versions = row ? versionsInWords(row) : undefined;
  return [
    colors.bold(`instance ${id}`),
    ...(host && !(host.is_here && host.lease_holds) ? wrapped(hostInWords(host, formatTime)) : []),
    ...(versions === undefined ? [] : wrapped(versions)),
    ...(runsAs === null ? [] : wrapped(`${row?.status === 'running' ? 'runs' : 'ran last'} as ${runsAs}`)),
    ...(earlier > 0 ? [colors.dim(`${earlier} or more earlier lines: give a larger --last`)] : []),
    ...table(
      width === undefined
        ? timeline.flatMap((line) => toRows(line, { formatTime }))
        : inDays(timeline, formatTime, width),
    ),
    '',
    ...missing.flatMap(({ part, reason }) => wrapped(`missing the ${part}: ${reason}`).map(colors.yellow)),
    ...unseen.flatMap((what) => wrapped(`not looked at ${what}`).map(colors.yellow)),
    ...wrapped(plainLine(verdict.sentence)).map((line) => colors.bold(verdictColors[verdict.state](line))),
  ];
}

function hostInWords(
  { name, id, is_here: isHere, lease_holds: holds, lease_until: until }: NonNullable<Explanation['host']>,
  formatTime: FormatTime,
): string {
  const lease = holds ? 'its lease holds' : `it is lost since ${formatTime(new Date(until))}`;
  return `placed on ${isHere ? 'this host,' : 'the host'} ${name} (${id}): ${lease}`;
}

/** Prints each day once above its entries, which leaves more of the width to their texts. */
function inDays(timeline: readonly Line[], formatTime: FormatTime, width: number): string[][] {
  const widestSource = Math.max(0, ...timeline.map(({ source }) => source.length));
  const textWidth = Math.max(20, width - clock.length - widestSource - 4);
  let day = '';
  return timeline.flatMap((line) => {
    const before = day;
    if (line.time !== null) day = formatTime(new Date(line.time)).slice(0, 10);
    const rows = toRows(line, { formatTime: (time) => formatTime(time).slice(11), textWidth });
    return day === before ? rows : [[colors.bold(day)], ...rows];
  });
}

const clock = '23:59:59.999Z';

/** One entry as time, source and text. Quoted output and text that does not fit continue on further lines. */
function toRows(
  { time, source, text, bad }: Line,
  { formatTime, textWidth = Infinity }: { formatTime: FormatTime; textWidth?: number },
): string[][] {
  const [first = '', ...quoted] = plain(text).split('\n');
  const [start = '', ...more] = wrap(first, textWidth);
  const paint = bad ? colors.red : (line: string): string => line;
  return [
    [
      colors.dim(time === null ? 'time unknown' : formatTime(new Date(time))),
      sourceColors[source](source),
      paint(start),
    ],
    ...more.map((line) => ['', '', paint(line)]),
    ...quoted.flatMap((line) => wrap(line, textWidth)).map((line) => ['', '', colors.dim(line)]),
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
