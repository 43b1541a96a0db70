import type { Explanation } from '../api/types.ts';
import { Friendly } from '../ui/format.tsx';
import { Badge, markClass } from '../ui/marks.tsx';

/** States that the status of the instance, shown above, does not tell. */
const spoken = new Set(['waiting', 'stuck', 'unknown']);

/** How the instance stands, in a sentence. Screen readers read it when it changes. */
export function VerdictPanel({ verdict }: { verdict: Explanation['verdict'] | undefined }) {
  return (
    <section
      class={`panel verdict line ${verdict ? markClass(verdict.state) : ''}`}
      role="status"
      aria-label="How it stands"
    >
      {verdict && spoken.has(verdict.state) && <Badge state={verdict.state} />}
      {verdict && (
        <p>
          <Friendly text={verdict.sentence.charAt(0).toUpperCase() + verdict.sentence.slice(1)} />
        </p>
      )}
    </section>
  );
}
