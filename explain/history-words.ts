import type { WorkflowHandle } from '@temporalio/client';
import { tsToDate, tsToMs } from '@temporalio/common';
import { buildIdPattern } from '../contracts/names.ts';
import { duration } from './duration.ts';
import { failureInWords, messageInWords, readPayload, resultInWords, startsIn } from './payload-words.ts';
import type { TimelineEntry } from './timeline.ts';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];
type EventId = HistoryEvent['eventId'];
type Words = { text: string; bad?: boolean; build?: string };

interface Begun {
  what: string;
  at: Date;
  /** The build of the worker that carries it out. */
  build?: string | undefined;
  /** The number of the attempt that ended, and the failure before it. */
  attempts?: string;
}

/** The events of one run as lines of a timeline. Workflow tasks are left out unless they failed or another build completed them. */
export function historyTimeline(history: History): TimelineEntry[] {
  const begun = new Map<string, Begun>();
  let build: string | undefined;
  return (history.events ?? []).flatMap((event) => {
    const time = event.eventTime ? tsToDate(event.eventTime) : new Date(0);
    const started = event.workflowTaskStartedEventAttributes;
    if (started) begun.set(idOf(event.eventId), { what: 'workflow task', at: time, build: buildOf(started) });
    const completed = event.workflowTaskCompletedEventAttributes;
    const before = build;
    if (completed) build = completed.deploymentVersion?.buildId ?? undefined;
    const words =
      ofRun(event) ??
      ofActivity(event, time, begun) ??
      ofTimer(event, time, begun) ??
      (build === before ? ofWorkflow(event, begun) : ofBuild(build));
    if (!words) return [];
    const isOfTask = completed ?? isCommand(event);
    return [{ time, source: 'workflow' as const, ...(isOfTask && build !== undefined && { build }), ...words }];
  });
}

/** Where the agent that was started last runs or ran. Undefined when the history has no start that tells. */
export function lastPlaceIn(history: History, since?: Date): string | undefined {
  const events = (history.events ?? []).filter(
    ({ eventTime }) => !since || (eventTime && tsToDate(eventTime) >= since),
  );
  return events.flatMap((event) => startsIn(event.activityTaskCompletedEventAttributes?.result)).at(-1);
}

function ofBuild(build: string | undefined): Words {
  return { text: build === undefined ? 'a worker without a build goes on' : `the build ${build} goes on from here` };
}

/** Whether a workflow task led to the event. */
function isCommand(event: HistoryEvent): boolean {
  const attributes: unknown[] = Object.values(event);
  return attributes.some(
    (value) => typeof value === 'object' && value !== null && 'workflowTaskCompletedEventId' in value,
  );
}

function ofRun(event: HistoryEvent): Words | undefined {
  const started = event.workflowExecutionStartedEventAttributes;
  if (started) {
    const from = started.continuedExecutionRunId;
    return { text: `run ${started.originalExecutionRunId} started${from ? `, continuing ${from}` : ''}` };
  }
  const continued = event.workflowExecutionContinuedAsNewEventAttributes;
  if (continued) return { text: `run continues as ${continued.newExecutionRunId}` };
  if (event.workflowExecutionCompletedEventAttributes) return { text: 'run completed: nothing is left to do' };
  if (event.workflowExecutionCanceledEventAttributes) return { text: 'run cancelled', bad: true };
  if (event.workflowExecutionTimedOutEventAttributes) return { text: 'run timed out', bad: true };
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) {
    const { identity, reason } = terminated;
    return { text: `run terminated by ${identity || 'somebody'}: ${reason || 'no reason given'}`, bad: true };
  }
  const failed = event.workflowExecutionFailedEventAttributes;
  return failed ? { text: `run failed: ${failureInWords(failed.failure)}`, bad: true } : undefined;
}

function ofActivity(event: HistoryEvent, time: Date, begun: Map<string, Begun>): Words | undefined {
  const scheduled = event.activityTaskScheduledEventAttributes;
  if (scheduled) {
    const what = scheduled.activityType?.name ?? 'activity';
    begun.set(idOf(event.eventId), { what, at: time });
    return { text: `${what} begins` };
  }
  const started = event.activityTaskStartedEventAttributes;
  if (started) {
    const activity = begun.get(idOf(started.scheduledEventId));
    const before = started.lastFailure ? `; before: ${failureInWords(started.lastFailure)}` : '';
    if (activity) {
      activity.attempts = `attempt ${started.attempt ?? 1}${before}`;
      activity.build = buildOf(started);
    }
    return undefined;
  }
  const ended = (id: EventId, how: string): Words => {
    const activity = begun.get(idOf(id));
    const took = activity ? duration(time.getTime() - activity.at.getTime()) : '?';
    const { build } = activity ?? {};
    const by = build === undefined ? '' : `, by the build ${build}`;
    const text = `${activity?.what ?? 'activity'} ${how} (${took}, ${activity?.attempts ?? 'never started'}${by})`;
    return { text, ...(build !== undefined && { build }) };
  };
  const completed = event.activityTaskCompletedEventAttributes;
  if (completed) return ended(completed.scheduledEventId, `done${resultInWords(completed.result)}`);
  const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
  if (failed) return { ...ended(failed.scheduledEventId, `failed: ${failureInWords(failed.failure)}`), bad: true };
  const cancelling = event.activityTaskCancelRequestedEventAttributes;
  if (cancelling) return ended(cancelling.scheduledEventId, 'is asked to stop');
  const cancelled = event.activityTaskCanceledEventAttributes;
  return cancelled ? ended(cancelled.scheduledEventId, 'cancelled') : undefined;
}

/** The SDK reports its own name and a digest of the workflow code for a worker without a build. */
function buildOf({ workerVersion }: { workerVersion?: { buildId?: string | null } | null }): string | undefined {
  const id = workerVersion?.buildId ?? '';
  return buildIdPattern.test(id) ? id : undefined;
}

function ofTimer(event: HistoryEvent, time: Date, begun: Map<string, Begun>): Words | undefined {
  const started = event.timerStartedEventAttributes;
  if (started) {
    const what = `timer of ${duration(tsToMs(started.startToFireTimeout))}`;
    begun.set(idOf(event.eventId), { what, at: time });
    return { text: `${what} begins` };
  }
  const what = (id: EventId): string => begun.get(idOf(id))?.what ?? 'timer';
  const fired = event.timerFiredEventAttributes;
  if (fired) return { text: `${what(fired.startedEventId)} is over` };
  const cancelled = event.timerCanceledEventAttributes;
  return cancelled ? { text: `${what(cancelled.startedEventId)} is no longer needed` } : undefined;
}

function ofWorkflow(event: HistoryEvent, begun: Map<string, Begun>): Words | undefined {
  const signal = event.workflowExecutionSignaledEventAttributes;
  if (signal) return { text: `told: ${messageInWords(signal.signalName, signal.input)}` };
  const attributes = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields;
  if (attributes) {
    const values = Object.entries(attributes).map(([name, payload]) => [name, readPayload(payload)] as const);
    // The SDK sets attributes of its own. Null removes an attribute, also one that was never set.
    const own = values.filter(([name, value]) => !name.startsWith('Temporal') && value !== null && value !== undefined);
    const words = own
      .map(([name, value]) => `${name} ${String(value)}`)
      .toSorted((one, other) => one.localeCompare(other));
    return words.length > 0 ? { text: `search attribute ${words.join(', ')}` } : undefined;
  }
  const failed = event.workflowTaskFailedEventAttributes;
  if (failed) {
    const { build } = begun.get(idOf(failed.startedEventId)) ?? {};
    const code = build === undefined ? 'the workflow code' : `the workflow code of the build ${build}`;
    const text = `${code} could not go on: ${failureInWords(failed.failure)}`;
    return { text, bad: true, ...(build !== undefined && { build }) };
  }
  const timedOut = event.workflowTaskTimedOutEventAttributes;
  if (timedOut) return { text: 'no worker answered in time', bad: true };
  return event.workflowExecutionCancelRequestedEventAttributes
    ? { text: 'cancellation requested, which changes nothing: the row has the desired state' }
    : undefined;
}

function idOf(event: EventId): string {
  return String(event);
}
