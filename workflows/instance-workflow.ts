import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  patched,
  rootCause,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import { provisioningFailureCodes, type ProvisioningFailureCode, type StatusReason } from '../contracts/names.ts';
import type { PlacementInput } from './activities.ts';
import { activitiesOn, localRowSteps, rowSteps } from './effects.ts';
import { decide, type Effect } from './decide.ts';
import { decisions } from './decision-sink.ts';
import { describeProgress } from './describe-progress.ts';
import { evolve } from './evolve.ts';
import { handOn, takeOver, type HandedOnState } from './handed-on-state.ts';
import { instanceStateQuery } from './instance-state-query.ts';
import { instanceMessageSignal, isKnown, type InstanceMessage } from './messages.ts';
import { showStatus } from './show-status.ts';
import { initialState, type InstanceEvent } from './state.ts';
import { stopReasonOf } from './stop-reason.ts';

/** In events. Lower than Temporal's own suggestion, because a worker without the run in its cache replays the whole history at once. */
const longestHistory = 1_000;

/**
 * The most messages that one run takes while a step is under way. Temporal refuses more than 10,000 signals of a run, and the workflow
 * task that ends the run may have to replay them all, at 0.6 ms of CPU time each.
 */
const mostMessages = 2_000;

/** Names of patches. Runs that began before a patch go on as they did then (docs/replay.md). */
const hasHosts = 'has-hosts';
const rowIsRead = 'row-is-read';
const workHasPauses = 'work-has-pauses';
const workIsHandedOn = 'work-is-handed-on';
const hasNoLocalSteps = 'has-no-local-steps';

/** The most steps that lead from a message to a wait, when nothing fails (test/unit/decide.property.test.ts). */
const longestWork = { onHosts: 40, before: 24 };
const longestPauseMs = 60_000;

type Of<Type extends Effect['type']> = Extract<Effect, { type: Type }>;

export interface InstanceWorkflowInput {
  instanceId: string;
  /** Handed on by the previous run; absent in the first run. */
  state?: HandedOnState;
}

/**
 * The life of one instance. The loop feeds every event to `evolve`, asks `decide` for the next step and takes it, until the row
 * is gone and nothing is left of the instance. Handlers only enqueue; the loop alone acts.
 *
 * A request to cancel the workflow changes nothing, because the desired state is in the row alone.
 */
export async function instanceWorkflow(input: InstanceWorkflowInput): Promise<void> {
  return CancellationScope.nonCancellable(() => live(input));
}

async function live({ instanceId, state: handedOn }: InstanceWorkflowInput): Promise<void> {
  // Asked for before anything else, and once: after a local activity, a replay may answer otherwise than the run did (docs/replay.md).
  const isWithoutLocalSteps = patched(hasNoLocalSteps);
  const isOnHosts = isWithoutLocalSteps || patched(hasHosts);
  const { place, locate, readRow, recordStatus, recordFinalStatus } = isWithoutLocalSteps ? rowSteps : localRowSteps;
  let state = handedOn ? takeOver(handedOn) : initialState;
  const inbox: InstanceMessage[] = [];
  let received = 0;
  let isFull = false;
  let stepsSinceMessage = 0;
  setHandler(instanceMessageSignal, (message) => {
    if (isKnown(message)) inbox.push(message);
    else log.warn(`a message of the type ${message.type}, which only another build knows, is ignored`);
    received += 1;
    isFull ||= received >= mostMessages && patched(workIsHandedOn);
  });
  setHandler(instanceStateQuery, () => state);

  const apply = (event: InstanceEvent): void => {
    state = evolve(state, event, Date.now());
  };
  const absorbInbox = (): void => {
    const messages = inbox.splice(0);
    if (messages.length > 0) stepsSinceMessage = 0;
    for (const message of messages) {
      apply(
        message.type === 'rowDeleted' && !isOnHosts && !patched(rowIsRead)
          ? { ...message, type: 'rowDeletedUnread' }
          : message,
      );
    }
  };

  /**
   * Runs one step. Once the run has taken `mostMessages`, the step is cancelled, and the next run does it again.
   *
   * @returns undefined when the step was cancelled
   */
  const unlessFull = async <Result>(step: () => Promise<Result>): Promise<Result | undefined> => {
    const scope = new CancellationScope();
    let ended = false;
    const attempt = scope.run(step).finally(() => {
      ended = true;
    });
    attempt.catch(() => undefined);
    await condition(() => ended || isFull);
    if (!ended) scope.cancel();
    try {
      return await attempt;
    } catch (error) {
      // An activity that fails after its cancellation was requested is not tried again, and its failure is no cancellation.
      if (isFull && (isWithoutLocalSteps || isCancellation(error))) return undefined;
      throw error;
    }
  };

  const placementInput = (): PlacementInput => {
    const { leaving, hostId } = state;
    return { instanceId, ...(leaving && hostId !== undefined && { leavingHostId: hostId }) };
  };

  /** Settles the doubt that the step settles. @returns whether there was time for it */
  const settleDoubt = async (effect: Effect): Promise<boolean> => {
    if (effect.type !== 'readRow' && effect.type !== 'locate' && effect.type !== 'place') return false;
    if (effect.type !== 'readRow' && !isOnHosts) {
      apply({ type: 'placementNotRead' });
      return true;
    }
    if (effect.type === 'place') return false;
    stepsSinceMessage += 1;
    if (effect.type === 'locate') {
      const result = await unlessFull(() => locate(placementInput()));
      if (result) apply({ type: 'located', ...result });
    } else if (isOnHosts || patched(rowIsRead)) {
      const row = await unlessFull(() => readRow({ instanceId }));
      if (row !== undefined) apply({ type: 'rowRead', row });
    } else {
      apply({ type: 'rowNotRead' });
    }
    return true;
  };

  /** The next step. Unless the run is full, the row and the placement were read where the state was in doubt. */
  const nextEffect = async (): Promise<Effect> => {
    for (;;) {
      absorbInbox();
      const effect = decide(state);
      if (isFull || !(await settleDoubt(effect))) return effect;
    }
  };

  /** Slows down a workflow that takes step after step without a message: the steps do not lead to a wait, and haste would not help. */
  const pauseUnlessProgress = async (): Promise<void> => {
    stepsSinceMessage += 1;
    const stepsTooMany = stepsSinceMessage - (isOnHosts ? longestWork.onHosts : longestWork.before);
    if (stepsTooMany <= 0 || !patched(workHasPauses)) return;
    const pauseMs = Math.min(1_000 * 2 ** (stepsTooMany - 1), longestPauseMs);
    await condition(() => inbox.length > 0, pauseMs);
  };

  const caused = () => state.cause && { cause: state.cause };

  const find = async (generation: number): Promise<InstanceEvent | undefined> => {
    apply({ type: 'placingStarted' });
    try {
      const result = await unlessFull(() => place(placementInput()));
      if (!result) return undefined;
      switch (result.outcome) {
        case 'placed':
          return { ...result, type: 'placed' };
        case 'noHost':
          return { type: 'noHost', row: result.row, message: result.message };
        case 'hostLost':
          return { ...result, type: 'located' };
        case 'agentMissing':
          return { type: 'agentMissing', row: result.row, message: result.message };
        case 'notWanted':
          return { type: 'notWanted', row: result.row };
        case 'gone':
          return { type: 'rowGone' };
      }
    } catch (error) {
      const reason = failureReason(error);
      return reason && { type: 'provisioningFailed', generation, reason };
    }
  };

  const provisionWhileDesired = async ({ generation, resume, hostId }: Of<'provision'>): Promise<InstanceEvent> => {
    apply({ type: 'provisioningStarted' });
    const { provision } = activitiesOn(hostId);
    const scope = new CancellationScope();
    let ended = false;
    const attempt = scope
      .run(() => provision({ instanceId, resumeGeneration: resume ? generation : null, ...caused() }))
      .finally(() => {
        ended = true;
      });
    attempt.catch(() => undefined);
    while (!ended) {
      await condition(() => ended || inbox.length > 0);
      const next = await nextEffect();
      const isStart = next.type === 'provision' || next.type === 'place';
      const isElsewhere = hostId !== undefined && state.hostId !== hostId;
      if (isFull || !isStart || next.generation !== generation || isElsewhere) scope.cancel();
    }
    try {
      const result = await attempt;
      switch (result.outcome) {
        case 'provisioned': {
          const { row, runtimeId, restart } = result;
          return { type: 'provisioned', row, runtimeId, restart, ...(hostId !== undefined && { hostId }) };
        }
        case 'agentMissing':
          return { type: 'agentMissing', row: result.row, message: result.message };
        case 'notWanted':
          return { type: 'notWanted', row: result.row };
        case 'misplaced':
          return { type: 'stepEnded' };
        case 'gone':
          return { type: 'rowGone' };
      }
    } catch (error) {
      if (isCancellation(error)) return { type: 'stepEnded' };
      const reason = failureReason(error);
      return reason ? { type: 'provisioningFailed', generation, reason } : { type: 'stepEnded' };
    }
  };

  /** Waits for the host as long as it takes, unless somebody says that it is lost. */
  const cleanUpUnlessLost = async ({ hostId }: Of<'cleanUp'>): Promise<InstanceEvent> => {
    const reason = stopReasonOf(state);
    const on = hostId === undefined ? {} : { hostId };
    apply({ type: 'cleanUpStarted', ...on });
    const { cleanUp } = activitiesOn(hostId);
    const isLost = () => inbox.some((message) => saysThatHostIsLost(message, hostId));
    const scope = new CancellationScope();
    let ended = false;
    const attempt = scope
      .run(() => cleanUp({ instanceId, reason, ...caused() }))
      .finally(() => {
        ended = true;
      });
    attempt.catch(() => undefined);
    await condition(() => ended || isFull || isLost());
    const isGivenUp = !ended;
    if (isGivenUp) scope.cancel();
    try {
      await attempt;
      return { type: 'cleanedUp', ...on };
    } catch (error) {
      if (isCancellation(error) || isAway(error)) return { type: 'stepEnded' };
      if (isGivenUp && isTimeout(error)) return { type: 'stepEnded' };
      return { type: 'cleanUpFailed', message: rootMessage(error), ...on };
    }
  };

  const perform = async (
    effect: Exclude<Effect, { type: 'wait' | 'complete' | 'readRow' | 'locate' }>,
  ): Promise<InstanceEvent | undefined> => {
    switch (effect.type) {
      case 'place':
        return find(effect.generation);
      case 'provision':
        return provisionWhileDesired(effect);
      case 'cleanUp':
        return cleanUpUnlessLost(effect);
      case 'recordStatus': {
        const { status, generation, reason } = effect;
        showStatus(isOnHosts, status, reason);
        const { sequence: knownSequence } = state;
        const input = { instanceId, status, generation, ...(reason && { reason }), knownSequence, ...caused() };
        const result = await unlessFull(() => recordStatus(input));
        if (!result) return undefined;
        if (result.outcome === 'gone') return { type: 'rowGone' };
        if (result.outcome === 'superseded') return { type: 'statusSuperseded' };
        return { type: 'statusRecorded', status, generation, row: result.row, ...(reason && { reason }) };
      }
      case 'recordFinalStatus': {
        showStatus(isOnHosts, 'stopped');
        const row = await unlessFull(() => recordFinalStatus({ instanceId, ...caused() }));
        return row === undefined ? undefined : { type: 'finalStatusRecorded', ...(row && { row }) };
      }
    }
  };

  for (;;) {
    const effect = await nextEffect();
    setCurrentDetails(describeProgress(state, effect));
    decisions.made({ state, effect });
    if (effect.type === 'complete') return;
    // `nextEffect` has emptied the inbox, so no message is lost when only the state is handed on.
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    // A run from before there were hosts ends at its first step after the upgrade.
    const isOutdated = !isOnHosts && patched(hasHosts);
    if (
      isOutdated ||
      effect.type === 'readRow' ||
      effect.type === 'locate' ||
      isFull ||
      continueAsNewSuggested ||
      historyLength > longestHistory
    )
      return continueAsNew<typeof instanceWorkflow>({ instanceId, state: handOn(state) });
    if (effect.type === 'wait') {
      // The row may hold a status that this run did not write: another run did, or a step of this one whose answer was lost.
      if (isOnHosts && state.knownRow.kind === 'present')
        showStatus(isOnHosts, state.recorded.status, state.recorded.reason);
      stepsSinceMessage = 0;
      if (effect.until === undefined) await condition(() => inbox.length > 0);
      else if (!(await condition(() => inbox.length > 0, Math.max(effect.until - Date.now(), 1))))
        apply({ type: 'pauseOver' });
      // Asked for when a message has ended a wait, because no local activity is under way then.
      if (inbox.length > 0 && !isWithoutLocalSteps && patched(hasNoLocalSteps)) {
        absorbInbox();
        return continueAsNew<typeof instanceWorkflow>({ instanceId, state: handOn(state) });
      }
    } else {
      await pauseUnlessProgress();
      if (inbox.length > 0) continue;
      const event = await perform(effect);
      if (event) apply(event);
    }
  }
}

/** Undefined when a server or a worker failed rather than the instance. Provisioning is then begun again. */
function failureReason(error: unknown): StatusReason | undefined {
  // The failure of a local activity comes as it is in old runs, and that of an activity within an ActivityFailure.
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof TemporalFailure)) throw error;
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

function saysThatHostIsLost(message: InstanceMessage, hostId: string | undefined): boolean {
  return (message.type === 'hostLost' || message.type === 'hostReplaceable') && message.hostId === hostId;
}

function rootMessage(error: unknown): string {
  return rootCause(error) ?? 'Clean-up did not succeed in time.';
}

function isProvisioningFailure(type: string | null | undefined): type is ProvisioningFailureCode {
  return (provisioningFailureCodes as readonly unknown[]).includes(type);
}
