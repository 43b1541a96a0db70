import type { VerdictOptions } from './verdict-form.ts';
import type { WorkflowReading } from './workflow.ts';

/** Says why no workflow looks after the instance. Undefined when one does. */
export function unattended(workflow: WorkflowReading | undefined): string | undefined {
  if (!workflow) return 'no workflow looks after it';
  return workflow.status === 'RUNNING' ? undefined : `its workflow is ${workflow.status}`;
}

/** Says what the workflow is doing, or why it makes no progress. */
export function activityNow(
  { pendingActivities, workflowTaskAttempt, nextBuild }: WorkflowReading,
  { formatTime }: VerdictOptions,
): string {
  const ofBuild = nextBuild === undefined ? '' : ` of the build ${nextBuild}`;
  if (workflowTaskAttempt > 1)
    return `the workflow code${ofBuild} fails or no worker runs it: see the log of agents_worker${ofBuild}.`;
  const [pending] = pendingActivities;
  if (!pending) return 'the workflow takes its next step; see that agents_worker runs if this lasts.';
  const { name, attempt, lastFailure, nextAttempt } = pending;
  if (lastFailure === undefined) return `${name} is under way; see that agents_worker runs if this lasts.`;
  const next = nextAttempt
    ? `attempt ${attempt} is due at ${formatTime(nextAttempt)}`
    : `attempt ${attempt} is under way`;
  return `${name} failed (${lastFailure}) and ${next}.`;
}
