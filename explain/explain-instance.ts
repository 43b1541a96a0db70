import { toExplanation, type Explanation } from './explanation.ts';
import { wasRead } from './findings.ts';
import { gather, type Question } from './gather.ts';
import { judge } from './verdict.ts';
import type { VerdictOptions } from './verdict-form.ts';

export interface ExplainOptions extends Question, Partial<VerdictOptions> {
  /** The number of lines to show, counted from the latest. */
  last: number;
}

export interface Explained {
  explanation: Explanation;
  /** Whether the row or the workflow could be read. Without both, the explanation is empty. */
  answered: boolean;
}

/**
 * Explains the life and the state of an instance, which may be deleted. A server that is away hides only its own part.
 *
 * @returns undefined when no part knows the instance
 */
export async function explainInstance({
  instanceId,
  last,
  past,
  sources,
  withHost = false,
  now = new Date(),
  formatTime = (time) => time.toISOString(),
  actions = {
    retry: () => 'a retry',
    explain: () => 'look',
    findHost: () => 'ask an admin',
    forgetHost: () => 'ask an admin',
  },
}: ExplainOptions): Promise<Explained | undefined> {
  const findings = await gather({ instanceId, last, ...(past && { past }), sources, withHost });
  const verdict = judge(findings, { now, formatTime, actions });
  return (
    verdict && {
      explanation: toExplanation(findings, verdict, last),
      answered: wasRead(findings.database) || wasRead(findings.workflow),
    }
  );
}
