import type { WorkflowHandle } from '@temporalio/client';

export interface ReadHistory {
  /** Signals that Temporal accepted. */
  signals: number;
  /** Names of the activities that were scheduled, in that order. */
  activities: string[];
  /** Everything in it, payloads decoded, to be searched. */
  text: string;
}

/** The history of the latest run of a workflow. */
export async function readHistory(handle: WorkflowHandle): Promise<ReadHistory> {
  const { events } = await handle.fetchHistory();
  const all = events ?? [];
  return {
    signals: all.filter((event) => event.workflowExecutionSignaledEventAttributes).length,
    activities: all.flatMap((event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? []),
    // Payloads come as base64.
    text: JSON.stringify(all, (key, value: unknown) =>
      key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : value,
    ),
  };
}
