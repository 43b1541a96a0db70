import { useSignal } from '@preact/signals';
import type { Explanation, TimelineSource } from '../api/types.ts';
import { markClass } from '../ui/marks.tsx';
import { errorText } from '../ui/notice.tsx';
import { TimelineItem } from './timeline-item.tsx';

const sources: { name: TimelineSource; meaning: string }[] = [
  { name: 'row', meaning: 'what the database says' },
  { name: 'workflow', meaning: 'what the engine does' },
  { name: 'runtime', meaning: 'what runs' },
  { name: 'dead letter', meaning: 'what could not be taken in' },
];

interface TimelinePanelProps {
  /** Undefined until it was loaded once. */
  explanation: Explanation | undefined;
  /** Why the timeline could not be loaded the last time; the former one stays. */
  problem: unknown;
  onEarlier: () => void;
}

/** What happened to an instance, and which parts could not be asked. */
export function TimelinePanel({ explanation, problem, onEarlier }: TimelinePanelProps) {
  const hidden = useSignal<ReadonlySet<TimelineSource>>(new Set());
  const toggle = (name: TimelineSource): void => {
    const after = new Set(hidden.value);
    if (!after.delete(name)) after.add(name);
    hidden.value = after;
  };
  const { timeline = [], earlier_lines: earlier = 0 } = explanation ?? {};
  return (
    <section class="panel" aria-labelledby="timeline">
      <h2 id="timeline">What happened</h2>
      <fieldset class="sources line">
        <legend class="small quiet">Show what is known from</legend>
        {sources.map(({ name, meaning }) => {
          const id = `source-${name.replaceAll(' ', '-')}`;
          return (
            <span key={name} class="check inline">
              <input type="checkbox" id={id} checked={!hidden.value.has(name)} onChange={() => toggle(name)} />
              <label for={id} title={meaning} class={`source ${markClass(name)}`}>
                {name}
              </label>
            </span>
          );
        })}
      </fieldset>
      <div>
        {problem === undefined ? (
          explanation && <Gaps explanation={explanation} />
        ) : (
          <p class="bad" role="alert">
            {errorText(problem)}
          </p>
        )}
      </div>
      <div>
        {earlier > 0 && (
          <button type="button" onClick={onEarlier}>
            {`Show what was earlier (${earlier} lines)`}
          </button>
        )}
      </div>
      <ol class="timeline" aria-label="What happened">
        {timeline.map((line, index) => (
          <TimelineItem
            key={index}
            line={line}
            before={timeline[index - 1]?.time ?? null}
            hidden={hidden.value.has(line.source)}
          />
        ))}
      </ol>
    </section>
  );
}

function Gaps({ explanation: { missing, not_looked_at: unread } }: { explanation: Explanation }) {
  const texts = [
    ...missing.map(({ part, reason }) => `Missing: the ${part}. ${reason}`),
    ...unread.map((what) => `Not looked at: ${what}.`),
  ];
  return (
    <>
      {texts.map((text) => (
        <p key={text} class="bad">
          {text}
        </p>
      ))}
    </>
  );
}
