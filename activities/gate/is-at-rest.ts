import type { FetchedHistory } from '../../replay/fetch-histories.ts';

type History = FetchedHistory['history'];

/**
 * Whether the run waits for the next message or for the end of a pause: its last workflow task is completed, and no step is under way. What
 * comes after that task would be new.
 */
export function isAtRest({ events }: History): boolean {
  let isTaskOpen = false;
  let hasFailedStep = false;
  const activities = new Set<string>();
  const timers = new Set<string>();
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
    if (event.timerStartedEventAttributes) timers.add(event.timerStartedEventAttributes.timerId ?? '');
    const fired = event.timerFiredEventAttributes ?? event.timerCanceledEventAttributes;
    if (fired) timers.delete(fired.timerId ?? '');
    const { markerRecordedEventAttributes: marker } = event;
    if (marker?.markerName === localActivityMarker) hasFailedStep = Boolean(marker.failure);
  }
  // A local activity that failed is tried again when its timer fires.
  const isRetried = hasFailedStep && timers.size > 0;
  return !isTaskOpen && activities.size === 0 && !isRetried;
}

/** The name that Temporal's SDK gives to the result of a local activity. */
const localActivityMarker = 'core_local_activity';
