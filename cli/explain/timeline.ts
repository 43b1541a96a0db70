export type Source = 'row' | 'dead letter' | 'workflow' | 'runtime';

/** One line of the life of an instance. */
export interface TimelineEntry {
  /** Undefined where nobody wrote it down. */
  time: Date | undefined;
  source: Source;
  /** Several lines where it quotes what an agent printed. */
  text: string;
  /** Something that went wrong. */
  bad?: boolean;
}

/** Of one time, what causes comes before what it leads to. */
const order: readonly Source[] = ['row', 'dead letter', 'workflow', 'runtime'];

/** Oldest first; what has no time last. The times are those of the servers, whose clocks may differ. */
export function sortTimeline(entries: readonly TimelineEntry[]): TimelineEntry[] {
  const at = ({ time }: TimelineEntry): number => time?.getTime() ?? Infinity;
  return entries.toSorted((one, other) => {
    if (at(one) !== at(other)) return at(one) < at(other) ? -1 : 1;
    return order.indexOf(one.source) - order.indexOf(other.source);
  });
}
