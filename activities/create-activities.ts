import { cancellationSignal, heartbeat } from '@temporalio/activity';
import type { HostActivities, SharedActivities, StepInput } from '../workflows/activities.ts';
import type { InstanceEvent } from '../workflows/state.ts';
import { inSpan } from '../tracing/trace.ts';
import { takeSteps, type StepTakers } from './take-steps.ts';

/** Takes a step and those that follow as an activity. */
export type Take = (input: StepInput) => Promise<InstanceEvent[]>;

export function createTake(takers: StepTakers): Take {
  return (input) => {
    const { instanceId, state, effect } = input;
    const context = { signal: cancellationSignal(), heartbeat: () => heartbeat() };
    return inSpan(
      () => ({
        name: `activity ${effect.type}`,
        parent: state.cause?.traceparent,
        attributes: { 'instance.id': instanceId },
      }),
      () => takeSteps(input, takers, context),
    );
  };
}

/** The activities of instances on the task queue that all workers share. */
export function createSharedActivities(take: Take): SharedActivities {
  return { place: take, locate: take, readRow: take, recordStatus: take, recordFinalStatus: take };
}

/** The activities of instances on the task queue of a host. */
export function createHostActivities(take: Take): HostActivities {
  return { provision: take, cleanUp: take };
}
