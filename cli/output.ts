import type { ListOptions } from './options.ts';
import { toJson } from './plain-text.ts';
import { terminalWidth, timeFormat, type Layout } from './terminal.ts';

/** Prints a line of the result. Text of others goes through `plain` or `plainLine` first. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints a line that does not belong to the result: an error, a hint or the progress. */
export function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Prints JSON with `--json`, otherwise the lines. */
export function printResult(
  value: unknown,
  { json, utc }: { json?: true; utc?: true },
  toLines: (layout: Layout) => string[],
): void {
  if (json) print(toJson(value, 2));
  else toLines({ formatTime: timeFormat({ utc }), width: terminalWidth() }).forEach(print);
}

interface ListTexts<Item> {
  toLines: (items: readonly Item[], layout: Layout) => string[];
  toJson?: (item: Item) => unknown;
  /** A sentence for an empty list. */
  none: string;
}

/** Prints a list up to its `--limit`. `found` has at least one more item where there are more. */
export function printList<Item>(
  found: readonly Item[],
  options: ListOptions,
  { toLines, none, ...texts }: ListTexts<Item>,
): void {
  const items = found.slice(0, options.limit);
  if (items.length === 0 && !options.json) warn(none);
  else
    printResult(
      items.map((item) => texts.toJson?.(item) ?? item),
      options,
      (layout) => toLines(items, layout),
    );
  if (found.length > items.length)
    warn(`There are more than these ${items.length}: give a larger --limit, or a filter.`);
}
