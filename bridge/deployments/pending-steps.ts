import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { OpenRun } from './open-runs.ts';

/** An activity of a workflow that has not ended. */
export interface PendingStep {
  id: string;
  name: string;
  /** Whether a worker is at it now. Otherwise it waits for a worker, or for its next attempt. */
  isRunning: boolean;
  /** The build of the worker that took it last; undefined for one without a build, and before the first attempt. */
  buildId?: string;
  /** How often it failed in a row, also where it was begun anew since. */
  failures: number;
  /** Why it failed last. */
  failure?: string;
}

const answerMs = 10_000;
const eventsLookedAt = 100;
/** A value of `PendingActivityState` in Temporal's API. */
const started = 2;

/** Reads what the workflows of instances wait for. */
export function createPendingSteps({ client }: { client: Client }) {
  const { namespace } = client.options;

  /** How often steps of each name have ended in a failure in a row. A step that is begun anew has forgotten its failures. */
  const readFailures = async (workflowId: string): Promise<Map<string, { count: number; message: string }>> => {
    const { history } = await client.withDeadline(Date.now() + answerMs, () =>
      client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace,
        execution: { workflowId },
        maximumPageSize: eventsLookedAt,
      }),
    );
    const events = history?.events ?? [];
    const names = new Map(
      events.flatMap(({ eventId, activityTaskScheduledEventAttributes: scheduled }) =>
        scheduled ? [[String(eventId), scheduled.activityType?.name ?? '']] : [],
      ),
    );
    const succeeded = new Set<string>();
    const failures = new Map<string, { count: number; message: string }>();
    for (const event of events) {
      const completed = event.activityTaskCompletedEventAttributes;
      const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
      const name = names.get(String((completed ?? failed)?.scheduledEventId));
      if (name === undefined) continue;
      if (completed) succeeded.add(name);
      if (!failed || succeeded.has(name)) continue;
      const { count = 0, message = failed.failure?.message ?? '' } = failures.get(name) ?? {};
      failures.set(name, { count: count + 1, message });
    }
    return failures;
  };

  return {
    /** @returns none if the workflow is closed */
    readSteps: async ({ workflowId }: Pick<OpenRun, 'workflowId'>): Promise<PendingStep[]> => {
      try {
        const handle = client.workflow.getHandle(workflowId);
        const { raw } = await client.withDeadline(Date.now() + answerMs, () => handle.describe());
        const pending = raw.pendingActivities ?? [];
        if (pending.length === 0) return [];
        const before = await readFailures(workflowId);
        return pending.map(
          ({ activityId, activityType, attempt, state, lastFailure, lastDeploymentVersion: version }) => {
            const name = activityType?.name ?? '';
            const earlier = before.get(name);
            const failures = Math.max(0, (attempt ?? 0) - 1);
            const failure = failures > 0 ? lastFailure?.message : earlier?.message;
            return {
              id: activityId ?? '',
              name,
              isRunning: state === started,
              ...(version?.buildId && { buildId: version.buildId }),
              failures: failures + (earlier?.count ?? 0),
              ...(typeof failure === 'string' && { failure }),
            };
          },
        );
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return [];
        throw error;
      }
    },
  };
}
