/** Of one time, what causes comes before what it leads to. */
export const timelineSources = ['row', 'dead letter', 'workflow', 'runtime'] as const;

/** One line of the life of an instance. */
export interface TimelineEntry {
  /** Undefined where nobody wrote it down. */
  time: Date | undefined;
  source: (typeof timelineSources)[number];
  /** Several lines where it quotes what an agent printed. */
  text: string;
  /** Something that went wrong. */
  bad?: boolean;
}

/** Oldest first; what has no time last. The times are those of the servers, whose clocks may differ. */
export function sortTimeline(entries: readonly TimelineEntry[]): TimelineEntry[] {
  const at = ({ time }: TimelineEntry): number => time?.getTime() ?? Infinity;
  return entries.toSorted((one, other) => {
    if (at(one) !== at(other)) return at(one) < at(other) ? -1 : 1;
    return timelineSources.indexOf(one.source) - timelineSources.indexOf(other.source);
  });
}
