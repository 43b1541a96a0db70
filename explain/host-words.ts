import type { Findings } from './findings.ts';
import type { VerdictOptions } from './verdict-form.ts';

/** Says that the host of the instance is lost, and what to do. Undefined when it is not, or when it was not read. */
export function hostIsLost({ host }: Findings, { formatTime, actions }: VerdictOptions): string | undefined {
  if (!host || host.leaseHolds) return undefined;
  const { id, name, leaseUntil, replaceAfterSeconds } = host;
  const otherwise =
    replaceAfterSeconds === null
      ? `If it is gone for good: ${actions.forgetHost(id)}.`
      : `It is replaced ${replaceAfterSeconds} s after that.`;
  return `its host ${name}, which is lost since ${formatTime(leaseUntil)}: start agents_worker there again. ${otherwise}`;
}

/** E.g. ` on the host worker-1`; '' when the agent runs on the host of the caller, or it is not known where. */
export function onAnotherHost({ host }: Findings): string {
  return host && !host.isHere ? ` on the host ${host.name}` : '';
}
