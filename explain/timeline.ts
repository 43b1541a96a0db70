/** The order of lines with equal times: a cause comes before its effect. */
export const timelineSources = ['row', 'dead letter', 'workflow', 'runtime'] as const;

/** One line of the life of an instance. */
export interface TimelineEntry {
  time: Date | undefined;
  source: (typeof timelineSources)[number];
  /** Has several lines when it quotes the output of an agent. */
  text: string;
  bad?: boolean;
  /** The build of agents_worker that did it, where workers have builds. */
  build?: string;
}

/** Sorts the oldest entry first and entries without a time last. The clocks of the servers may differ. */
export function sortTimeline(entries: readonly TimelineEntry[]): TimelineEntry[] {
  const at = ({ time }: TimelineEntry): number => time?.getTime() ?? Infinity;
  return entries.toSorted((one, other) => {
    if (at(one) !== at(other)) return at(one) < at(other) ? -1 : 1;
    return timelineSources.indexOf(one.source) - timelineSources.indexOf(other.source);
  });
}
