import type { InspectedLetter } from '../bridge/dead-letters/inspect-letter.ts';
import type { DeadLetter } from '../bridge/dead-letters/letter.ts';
import { colors, table, visibleLength, wrap, type FormatTime, type Layout } from './terminal.ts';
import { plain, plainLine } from './plain-text.ts';

/** A terminal gets the first of two forms of the table that fits, with the reason of each letter below it. */
export function toLetterLines(letters: readonly DeadLetter[], { formatTime, width }: Layout): string[] {
  const cellsOf = (letter: DeadLetter): string[] => [
    letter.letterId,
    letter.originQueue,
    plainLine(whatIs(letter)),
    letter.time ? formatTime(letter.time) : 'unknown',
    plainLine(letter.subject ?? ''),
    `${letter.sizeBytes} B`,
  ];
  const head = ['LETTER', 'QUEUE', 'MESSAGE', 'TIME', 'SUBJECT', 'SIZE'];
  if (width === undefined) {
    const rows = letters.map((letter) => [...cellsOf(letter), plainLine(letter.reason)]);
    return table([[...head, 'REASON'], ...rows]);
  }
  const tables = [head.length, 3].map((columns) =>
    table([head.map((name) => colors.bold(name)), ...letters.map(cellsOf)].map((cells) => cells.slice(0, columns))),
  );
  const [first = '', ...lines] =
    tables.find((each) => each.every((line) => visibleLength(line) <= width)) ?? tables.at(-1) ?? [];
  const indent = '  ';
  const reasonOf = ({ reason }: DeadLetter): string[] =>
    plain(reason)
      .split('\n')
      .flatMap((line) => wrap(line, width - indent.length))
      .map((line) => indent + colors.red(line));
  return [first, ...letters.flatMap((letter, index) => [lines[index] ?? '', ...reasonOf(letter)])];
}

/** All properties and headers of a letter, then its body. */
export function toWholeLetter(letter: InspectedLetter, formatTime: FormatTime): string[] {
  const { body, headers } = letter;
  const known: [string, string][] = [
    ['letter', letter.letterId],
    ['queue', letter.queue],
    ['message', `${whatIs(letter)}, ${letter.messageId ?? 'without id'}`],
    ['subject', letter.subject ?? 'unknown'],
    ['time', letter.time ? formatTime(letter.time) : 'unknown'],
    ['size', `${letter.sizeBytes} B`],
    ['reason', letter.reason],
  ];
  const described = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  const about = [
    ...(body.encoding === 'base64' ? ['not UTF-8, shown as base64'] : []),
    ...(body.cut ? ['only its beginning'] : []),
  ];
  return [
    ...table(known.flatMap(toRows)),
    '',
    colors.bold('headers'),
    ...table(described.flatMap(toRows)),
    '',
    colors.bold(about.length > 0 ? `body (${about.join('; ')})` : 'body'),
    plain(body.content),
  ];
}

function whatIs({ type, sequence }: DeadLetter): string {
  return `${type ?? 'no type'}${sequence === undefined ? '' : ` #${sequence}`}`;
}

function toRows([name, value]: [string, string]): string[][] {
  const [first = '', ...more] = plain(value).split('\n');
  return [[colors.dim(plainLine(name)), first], ...more.map((line) => ['', line])];
}
