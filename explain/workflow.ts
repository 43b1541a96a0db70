import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { tsToDate } from '@temporalio/common';
import { instanceWorkflow, listRuns } from '../bridge/signals/instance-workflows.ts';
import { searchAttributeNames } from '../contracts/names.ts';
import { historyTimeline, lastPlaceIn } from './history-words.ts';
import { failureInWords } from './payload-words.ts';
import type { Past } from './past.ts';
import type { TimelineEntry } from './timeline.ts';

export interface PendingActivity {
  name: string;
  attempt: number;
  lastFailure?: string;
  /** When the next attempt is due. Absent during an attempt. */
  nextAttempt?: Date;
}

export interface WorkflowReading {
  /** Temporal's status of the latest run, e.g. `RUNNING`, `COMPLETED` or `TERMINATED`. */
  status: string;
  closeTime?: Date;
  instanceStatus?: string;
  pendingActivities: PendingActivity[];
  /** Above 1 when workers fail to run the workflow code repeatedly. */
  workflowTaskAttempt: number;
  /** The build that the run is moving to, until that build has completed a task. */
  nextBuild?: string;
  /** Where the agent that was started last runs or ran, for a person. Absent when the runs that were read do not tell. */
  runsAs?: string;
  timeline: TimelineEntry[];
  unreadRuns: number;
}

/** @returns undefined when the instance has no workflow, or Temporal's retention has removed it */
export async function readWorkflow(
  client: Client,
  { instanceId, last, past: { since } }: { instanceId: string; last: number; past: Past },
): Promise<WorkflowReading | undefined> {
  try {
    const latest = await instanceWorkflow(client, instanceId).describe();
    const runs = await listRuns(client, instanceId, latest.runId);
    const timeline: TimelineEntry[] = [];
    let runsAs: string | undefined;
    let read = 0;
    while (read < runs.length && timeline.length < last) {
      const history = await instanceWorkflow(client, instanceId, runs[read]).fetchHistory();
      const lines = historyTimeline(history);
      runsAs ??= lastPlaceIn(history, since);
      const shown = since ? lines.filter(({ time }) => time !== undefined && time >= since) : lines;
      timeline.unshift(...shown);
      read += 1;
      // All earlier lines are before `since`, so no earlier run is read or counted.
      if (shown.length < lines.length) runs.length = read;
    }
    const pendingActivities = pendingOf(latest);
    const unreadRuns = runs.length - read;
    return {
      ...outline(latest),
      pendingActivities,
      ...(runsAs !== undefined && { runsAs }),
      timeline: [...timeline, ...pendingTimeline(pendingActivities)],
      unreadRuns,
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function outline({ status, closeTime, searchAttributes, raw }: WorkflowExecutionDescription) {
  const instanceStatus = searchAttributes[searchAttributeNames.status]?.[0];
  const nextBuild = raw.workflowExecutionInfo?.versioningInfo?.versionTransition?.deploymentVersion?.buildId;
  return {
    status: status.name,
    ...(closeTime && { closeTime }),
    ...(typeof instanceStatus === 'string' && { instanceStatus }),
    workflowTaskAttempt: raw.pendingWorkflowTask?.attempt ?? 1,
    ...(nextBuild && { nextBuild }),
  };
}

function pendingOf({ raw }: WorkflowExecutionDescription): PendingActivity[] {
  return (raw.pendingActivities ?? []).map(({ activityType, attempt, lastFailure, scheduledTime, lastStartedTime }) => {
    const due = scheduledTime ? tsToDate(scheduledTime) : undefined;
    const underWay = lastStartedTime && due && tsToDate(lastStartedTime) >= due;
    return {
      name: activityType?.name ?? 'activity',
      attempt: attempt ?? 1,
      ...(lastFailure && { lastFailure: failureInWords(lastFailure) }),
      ...(due && !underWay && { nextAttempt: due }),
    };
  });
}

function pendingTimeline(pending: readonly PendingActivity[]): TimelineEntry[] {
  return pending.map(({ name, attempt, lastFailure, nextAttempt }) => ({
    time: new Date(),
    source: 'workflow',
    text: [
      nextAttempt
        ? `${name} waits for attempt ${attempt}, due at ${nextAttempt.toISOString()}`
        : `${name} is at attempt ${attempt}`,
      ...(lastFailure === undefined ? [] : [`the one before failed: ${lastFailure}`]),
    ].join('; '),
    bad: lastFailure !== undefined,
  }));
}
