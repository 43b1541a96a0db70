import { toExplanation, type Explanation } from './explanation.ts';
import { wasAsked } from './findings.ts';
import { gather, type Question } from './gather.ts';
import { judge } from './verdict.ts';
import type { VerdictOptions } from './verdict-form.ts';

export interface ExplainOptions extends Question, Partial<VerdictOptions> {
  /** How many of the latest lines are shown. */
  last: number;
}

export interface Explained {
  explanation: Explanation;
  /** Whether the row or the workflow could be asked: without both, nothing can be said of an instance. */
  answered: boolean;
}

/**
 * The life of an instance, of a deleted one as well, and how it stands. A server that is away hides its part only.
 *
 * @returns undefined when no part has ever heard of it
 */
export async function explainInstance({
  instanceId,
  last,
  past,
  sources,
  now = new Date(),
  formatTime = (time) => time.toISOString(),
  actions = { retry: () => 'a retry', explain: () => 'look' },
}: ExplainOptions): Promise<Explained | undefined> {
  const findings = await gather({ instanceId, last, ...(past && { past }), sources });
  const verdict = judge(findings, { now, formatTime, actions });
  return (
    verdict && {
      explanation: toExplanation(findings, verdict, last),
      answered: wasAsked(findings.database) || wasAsked(findings.workflow),
    }
  );
}
