import { bootSeconds } from '../runtimes/boot-clock.ts';
import { withHeartbeat } from '../runtimes/with-heartbeat.ts';
import type { StepEffect, StepInput } from '../workflows/activities.ts';
import { beginningOf } from '../workflows/beginnings.ts';
import { decide, type Effect } from '../workflows/decide.ts';
import { evolve } from '../workflows/evolve.ts';
import type { InstanceEvent, InstanceState } from '../workflows/state.ts';
import { activeTraceparent, inSpan } from '../tracing/trace.ts';
import { stopReasonOf } from '../workflows/stop-reason.ts';
import { provisionedBy, placedBy, recordedBy } from './step-events.ts';
import type { HostSteps, RowSteps, StepContext } from './steps.ts';

export interface StepTakers {
  rowSteps: RowSteps;
  /** The steps on a host; undefined where this worker does not serve it. */
  hostSteps: (hostId: string) => HostSteps | undefined;
}

/**
 * How long an activity goes on with steps that follow, by a clock that a pause of the process does not stop. A worker that was paused for
 * longer may have been given up, and another one may have taken the steps since. So it is shorter than the heartbeat timeouts of the
 * activities (`workflows/step-activities.ts`). After a step that took longer, the workflow first hears what came meanwhile.
 */
export const goesOnSeconds = 3;

/**
 * How long a step on a host is waited for that follows from another one. If it takes longer, it is handed over to an activity of its own,
 * which people see, and which is cancelled when the step is no longer wanted.
 */
const patienceMs = 1_000;

/** More than follow from any step unless something goes wrong. The workflow slows down one that takes more. */
const mostSteps = 12;

/**
 * Takes a step, and goes on with those that follow from it as long as this worker can take them at once. All of it is one activity, so that
 * a step costs Temporal nothing where nobody waits for it.
 *
 * A step that follows and fails is left to the workflow, which takes it again as an activity of its own, with retries and a failure that
 * people see.
 *
 * @param nowSeconds a clock that a pause of the process does not stop
 * @throws what the first step throws
 */
export async function takeSteps(
  input: StepInput,
  takers: StepTakers,
  activity: StepContext,
  nowSeconds = bootSeconds,
): Promise<InstanceEvent[]> {
  const events: InstanceEvent[] = [];
  let { state } = input;
  const apply = (event: InstanceEvent): void => {
    state = evolve(state, event, Date.now());
    events.push(event);
  };
  const begun = nowSeconds();
  const take = (step: StepInput, context: StepContext): Promise<InstanceEvent> =>
    inSpan(
      () => ({ name: `step ${step.effect.type}` }),
      () => takeStep(step, takers, context),
    );
  apply(await take({ ...input, state }, activity));
  const mayGoOn = (): boolean =>
    !input.alone && !activity.signal.aborted && events.length < mostSteps && nowSeconds() - begun < goesOnSeconds;
  while (mayGoOn()) {
    const effect = decide(state);
    if (!isTakenInPassing(effect, takers)) break;
    const beginning = beginningOf(effect);
    if (beginning) apply(beginning);
    try {
      apply(await take({ ...input, effect, state }, { ...activity, patienceMs }));
    } catch {
      break;
    }
  }
  return events;
}

function isTakenInPassing(effect: Effect, { hostSteps }: StepTakers): effect is StepEffect {
  switch (effect.type) {
    case 'wait':
    case 'complete':
      return false;
    case 'provision':
    case 'cleanUp':
      return hostSteps(effect.hostId) !== undefined;
    case 'place':
    case 'locate':
    case 'readRow':
    case 'recordStatus':
    case 'recordFinalStatus':
      return true;
  }
}

/** @returns how the step has ended */
async function takeStep(
  { instanceId, state, effect }: StepInput,
  { rowSteps, hostSteps }: StepTakers,
  context: StepContext,
): Promise<InstanceEvent> {
  // What the step causes follows from it, where it is a span.
  const { cause } = state;
  const caused = cause && { cause: { ...cause, traceparent: activeTraceparent() ?? cause.traceparent } };
  switch (effect.type) {
    case 'place':
      return placedBy(await withHeartbeat(context, () => rowSteps.place(placementOf(instanceId, state))));
    case 'locate':
      return {
        type: 'located',
        ...(await withHeartbeat(context, () => rowSteps.locate(placementOf(instanceId, state)))),
      };
    case 'readRow':
      return { type: 'rowRead', row: await withHeartbeat(context, () => rowSteps.readRow({ instanceId })) };
    case 'recordStatus': {
      const { type: _, ...status } = effect;
      const written = { instanceId, ...status, knownSequence: state.sequence, ...caused };
      return recordedBy(status, await withHeartbeat(context, () => rowSteps.recordStatus(written)));
    }
    case 'recordFinalStatus': {
      const row = await withHeartbeat(context, () => rowSteps.recordFinalStatus({ instanceId, ...caused }));
      return { type: 'finalStatusRecorded', ...(row && { row }) };
    }
    case 'provision': {
      const { hostId, generation, resume } = effect;
      const wanted = { instanceId, generation, resumeGeneration: resume ? generation : null, ...caused };
      return provisionedBy(hostId, await served(hostSteps(hostId), hostId).provision(wanted, context));
    }
    case 'cleanUp': {
      const { hostId } = effect;
      await served(hostSteps(hostId), hostId).cleanUp({ instanceId, reason: stopReasonOf(state), ...caused }, context);
      return { type: 'cleanedUp', hostId };
    }
  }
}

function placementOf(instanceId: string, { leaving, hostId }: InstanceState) {
  return { instanceId, ...(leaving && hostId !== undefined && { leavingHostId: hostId }) };
}

function served(steps: HostSteps | undefined, hostId: string): HostSteps {
  if (steps) return steps;
  throw new Error(`This worker does not serve the host ${hostId}.`);
}
