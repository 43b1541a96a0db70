import type { FetchedHistory } from '../../replay/fetch-histories.ts';

type History = FetchedHistory['history'];

/**
 * Whether the run waits for the next message or for the end of a pause: its last workflow task is completed, and no step is under way. What
 * comes after that task would be new.
 */
export function isAtRest({ events }: History): boolean {
  let isTaskOpen = false;
  const activities = new Set<string>();
  for (const event of events ?? []) {
    if (event.workflowTaskScheduledEventAttributes) isTaskOpen = true;
    if (event.workflowTaskCompletedEventAttributes) isTaskOpen = false;
    if (event.activityTaskScheduledEventAttributes) activities.add(String(event.eventId));
    const ended =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (ended) activities.delete(String(ended.scheduledEventId));
  }
  return !isTaskOpen && activities.size === 0;
}
