import type { TimelineLine } from '../api/types.ts';
import { Clock, dayOf, duration, ShortIds } from '../ui/format.tsx';
import { Mark, markClass, SourceLabel } from '../ui/marks.tsx';

/** Where a text begins to quote what an agent printed. */
const quotation = /(?<=Its last output:) |\n/;

/** Shorter pauses between two lines are not mentioned. */
const pauseMs = 1_000;

interface TimelineItemProps {
  line: TimelineLine;
  /** Time of the line before. */
  before: string | null;
  hidden: boolean;
}

/** A line with its mark, its time and its source, below the new day or the pause before it. */
export function TimelineItem({ line: { time, source, text, bad }, before, hidden }: TimelineItemProps) {
  const at = text.search(quotation);
  const [first, quoted] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  const isNewDay = time !== null && (before === null || dayOf(before) !== dayOf(time));
  const pause = time === null || before === null ? 0 : Date.parse(time) - Date.parse(before);
  return (
    <li hidden={hidden}>
      {isNewDay && <h3>{dayOf(time)}</h3>}
      {pause >= pauseMs && <p class="pause quiet">{`${duration(pause)} later`}</p>}
      <div class="entry">
        <Mark of={source} />
        <p class="entry-head line small">
          {time === null ? <span class="quiet">time unknown</span> : <Clock at={time} />}
          <SourceLabel source={source} />
          {bad && <span class={`tag inline ${markClass('failed')}`}>went wrong</span>}
        </p>
        <p class={bad ? 'bad' : ''}>
          <ShortIds in={first} />
        </p>
        {quoted !== '' && <pre>{quoted}</pre>}
      </div>
    </li>
  );
}
