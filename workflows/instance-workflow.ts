import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  rootCause,
  setCurrentDetails,
  setHandler,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import { provisioningFailureCodes, type ProvisioningFailureCode, type StatusReason } from '../contracts/names.ts';
import type { StepEffect } from './activities.ts';
import { beginningOf, isBeginning } from './beginnings.ts';
import { decide, type Effect } from './decide.ts';
import { decisions } from './decision-sink.ts';
import { describeProgress } from './describe-progress.ts';
import { evolve } from './evolve.ts';
import { handOn, takeOver, type HandedOnState } from './handed-on-state.ts';
import { instanceStateQuery } from './instance-state-query.ts';
import { instanceMessageSignal, isKnown, type InstanceMessage } from './messages.ts';
import { showStatus } from './show-status.ts';
import { initialState, type InstanceEvent } from './state.ts';
import { stepActivities } from './step-activities.ts';

/** In events. Lower than Temporal's own suggestion, because a worker without the run in its cache replays the whole history at once. */
const longestHistory = 1_000;

/**
 * The most messages that one run takes while a step is under way. Temporal refuses more than 10,000 signals of a run, and the workflow
 * task that ends the run may have to replay them all, at 0.6 ms of CPU time each.
 */
const mostMessages = 2_000;

/** The most steps that lead from a message to a wait, when nothing fails (test/unit/decide.property.test.ts). */
const longestWork = 40;
const longestPauseMs = 60_000;

type Of<Type extends StepEffect['type']> = Extract<StepEffect, { type: Type }>;

export interface InstanceWorkflowInput {
  instanceId: string;
  /** Handed on by the previous run; absent in the first run. */
  state?: HandedOnState;
}

/**
 * The life of one instance. The loop feeds every event to `evolve`, asks `decide` for the next step and has it taken, until the row
 * is gone and nothing is left of the instance. Handlers only enqueue; the loop alone acts.
 *
 * A request to cancel the workflow changes nothing, because the desired state is in the row alone.
 */
export async function instanceWorkflow(input: InstanceWorkflowInput): Promise<void> {
  return CancellationScope.nonCancellable(() => live(input));
}

async function live({ instanceId, state: handedOn }: InstanceWorkflowInput): Promise<void> {
  let state = handedOn ? takeOver(handedOn) : initialState;
  const inbox: InstanceMessage[] = [];
  let received = 0;
  let stepsSinceMessage = 0;
  setHandler(instanceMessageSignal, (message) => {
    if (isKnown(message)) inbox.push(message);
    else log.warn(`a message of the type ${message.type}, which only another build knows, is ignored`);
    received += 1;
  });
  setHandler(instanceStateQuery, () => state);

  const isFull = (): boolean => received >= mostMessages;
  const apply = (event: InstanceEvent): void => {
    state = evolve(state, event, Date.now());
  };
  /** Folds in how a step has ended, and those that followed from it. */
  const applyAll = (events: readonly InstanceEvent[]): void => {
    for (const event of events) {
      apply(event);
      if (isBeginning(event)) continue;
      decisions.made({ state, effect: decide(state) });
      stepsSinceMessage += 1;
    }
  };
  const absorbInbox = (): void => {
    const messages = inbox.splice(0);
    if (messages.length > 0) stepsSinceMessage = 0;
    for (const message of messages) apply(message);
  };

  /** Begins a step. @returns the step, and whether it has ended */
  const begin = (effect: StepEffect, alone = false) => {
    const beginning = beginningOf(effect);
    if (beginning) apply(beginning);
    const scope = new CancellationScope();
    const step = { hasEnded: false, cancel: () => scope.cancel(), events: Promise.resolve<InstanceEvent[]>([]) };
    const take = stepActivities[effect.type] as (input: object) => Promise<InstanceEvent[]>;
    step.events = scope
      .run(() => take({ instanceId, state, effect, ...(alone && { alone }) }))
      .finally(() => {
        step.hasEnded = true;
      });
    step.events.catch(() => undefined);
    return step;
  };

  /** Takes one step. Once the run has taken `mostMessages`, the step is cancelled, and the next run does it again. */
  const takeUnlessFull = async (effect: StepEffect, alone = false): Promise<void> => {
    const step = begin(effect, alone);
    await condition(() => step.hasEnded || isFull());
    if (!step.hasEnded) step.cancel();
    try {
      applyAll(await step.events);
    } catch (error) {
      // An activity that fails after its cancellation was requested is not tried again, and its failure is no cancellation.
      if (!isFull()) throw error;
    }
  };

  const place = async (effect: Of<'place'>): Promise<void> => {
    try {
      await takeUnlessFull(effect);
    } catch (error) {
      const reason = failureReason(error);
      if (reason) applyAll([{ type: 'provisioningFailed', generation: effect.generation, reason }]);
    }
  };

  /** The next effect, after the row and the placement were read where the state is in doubt. */
  const settled = async (): Promise<Effect> => {
    for (;;) {
      absorbInbox();
      const effect = decide(state);
      if (isFull() || (effect.type !== 'readRow' && effect.type !== 'locate')) return effect;
      await takeUnlessFull(effect, true);
    }
  };

  const provisionWhileDesired = async (effect: Of<'provision'>): Promise<void> => {
    const { generation, hostId } = effect;
    const step = begin(effect);
    while (!step.hasEnded) {
      await condition(() => step.hasEnded || inbox.length > 0);
      const next = await settled();
      const isStart = next.type === 'provision' || next.type === 'place';
      if (isFull() || !isStart || next.generation !== generation || state.hostId !== hostId) step.cancel();
    }
    try {
      applyAll(await step.events);
    } catch (error) {
      const reason = isCancellation(error) ? undefined : failureReason(error);
      applyAll([reason ? { type: 'provisioningFailed', generation, reason } : { type: 'stepEnded' }]);
    }
  };

  /** Waits for the host as long as it takes, unless somebody says that it is lost. */
  const cleanUpUnlessLost = async (effect: Of<'cleanUp'>): Promise<void> => {
    const { hostId } = effect;
    const step = begin(effect);
    const isLost = () => inbox.some((message) => saysThatHostIsLost(message, hostId));
    await condition(() => step.hasEnded || isFull() || isLost());
    const isGivenUp = !step.hasEnded;
    if (isGivenUp) step.cancel();
    try {
      applyAll(await step.events);
    } catch (error) {
      const hasEndedEarly = isCancellation(error) || isAway(error) || (isGivenUp && isTimeout(error));
      applyAll([
        hasEndedEarly ? { type: 'stepEnded' } : { type: 'cleanUpFailed', message: rootMessage(error), hostId },
      ]);
    }
  };

  const take = async (effect: StepEffect): Promise<void> => {
    switch (effect.type) {
      case 'place':
        return place(effect);
      case 'provision':
        return provisionWhileDesired(effect);
      case 'cleanUp':
        return cleanUpUnlessLost(effect);
      case 'readRow':
      case 'locate':
      case 'recordStatus':
      case 'recordFinalStatus':
        return takeUnlessFull(effect);
    }
  };

  /** Slows down a workflow that takes step after step without a message: the steps do not lead to a wait, and haste would not help. */
  const pauseUnlessProgress = async (): Promise<void> => {
    // The steps of one activity count as they come, so that the pauses may begin with a longer one.
    const stepsTooMany = stepsSinceMessage + 1 - longestWork;
    if (stepsTooMany <= 0) return;
    const pauseMs = Math.min(1_000 * 2 ** (stepsTooMany - 1), longestPauseMs);
    await condition(() => inbox.length > 0, pauseMs);
  };

  for (;;) {
    absorbInbox();
    const effect = decide(state);
    setCurrentDetails(describeProgress(state, effect));
    decisions.made({ state, effect });
    const { knownRow, recorded } = state;
    if (effect.type === 'complete') showStatus('stopped');
    else if (knownRow.kind === 'present') showStatus(recorded.status, recorded.reason);
    if (effect.type === 'complete') return;
    // The inbox is empty, so no message is lost when only the state is handed on.
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    if (isFull() || continueAsNewSuggested || historyLength > longestHistory)
      return continueAsNew<typeof instanceWorkflow>({ instanceId, state: handOn(state) });
    if (effect.type === 'wait') {
      stepsSinceMessage = 0;
      if (effect.until === undefined) await condition(() => inbox.length > 0);
      else if (!(await condition(() => inbox.length > 0, Math.max(effect.until - Date.now(), 1))))
        apply({ type: 'pauseOver' });
    } else {
      await pauseUnlessProgress();
      if (inbox.length === 0) await take(effect);
    }
  }
}

/** Undefined when a server or a worker failed rather than the instance. Provisioning is then begun again. */
function failureReason(error: unknown): StatusReason | undefined {
  if (!(error instanceof ActivityFailure)) throw error;
  const { cause } = error;
  if (cause instanceof TimeoutFailure && cause.timeoutType !== 'HEARTBEAT') {
    return { code: 'provisioning_failed', message: `Provisioning took too long (${cause.timeoutType}).` };
  }
  if (!(cause instanceof ApplicationFailure)) return undefined;
  return isProvisioningFailure(cause.type) ? { code: cause.type, message: cause.message } : undefined;
}

/** Nobody took the step from the task queue of the host for a while. */
function isAway(error: unknown): boolean {
  return isTimeout(error) && error.cause.timeoutType === 'SCHEDULE_TO_START';
}

function isTimeout(error: unknown): error is ActivityFailure & { cause: TimeoutFailure } {
  return error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
}

function saysThatHostIsLost(message: InstanceMessage, hostId: string): boolean {
  return (message.type === 'hostLost' || message.type === 'hostReplaceable') && message.hostId === hostId;
}

function rootMessage(error: unknown): string {
  return rootCause(error) ?? 'Clean-up did not succeed in time.';
}

function isProvisioningFailure(type: string | null | undefined): type is ProvisioningFailureCode {
  return (provisioningFailureCodes as readonly unknown[]).includes(type);
}
