import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  proxyActivities,
  proxyLocalActivities,
  rootCause,
  setCurrentDetails,
  setHandler,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import { provisioningFailureCodes, type ProvisioningFailureCode, type StatusReason } from '../contracts/names.ts';
import type { InstanceActivities } from './activities.ts';
import { decide, type Effect } from './decide.ts';
import { describeProgress } from './describe-progress.ts';
import { evolve } from './evolve.ts';
import { handOn, takeOver, type HandedOnState } from './handed-on-state.ts';
import { instanceStateQuery } from './instance-state-query.ts';
import { instanceMessageSignal, type InstanceMessage } from './messages.ts';
import { showStatus } from './show-status.ts';
import { initialState, type InstanceEvent } from './state.ts';
import { stopReasonOf } from './stop-reason.ts';

const { provision } = proxyActivities<InstanceActivities>({
  summary: 'Run the agent',
  // Longer than the longest `ready_timeout_seconds` of a spec, which is one hour.
  startToCloseTimeout: '65 minutes',
  scheduleToCloseTimeout: '3 hours',
  heartbeatTimeout: '10 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds', maximumAttempts: 5 },
});

const { cleanUp } = proxyActivities<InstanceActivities>({
  summary: 'Stop the agent and remove what was made for it',
  startToCloseTimeout: '15 minutes',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout: '10 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

const { readRow, recordStatus, recordFinalStatus } = proxyLocalActivities<InstanceActivities>({
  startToCloseTimeout: '15 seconds',
  // A cancelled write must have ended before the next run writes, or it could overwrite a newer status.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  // Longer waits become timers of the server. Otherwise an outage would keep a workflow task open, and signals would wait.
  localRetryThreshold: '1 second',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
});

/** In events. Lower than Temporal's own suggestion, because a worker without the run in its cache replays the whole history at once. */
const longestHistory = 1_000;

/**
 * The most messages that one run takes while a step is under way. Temporal refuses more than 10,000 signals of a run, and the workflow
 * task that ends the run may have to replay them all, at 0.6 ms of CPU time each.
 */
const mostMessages = 2_000;

/** Names of patches. Runs that began before a patch go on as they did then (docs/replay.md). */
const rowIsRead = 'row-is-read';
const workHasPauses = 'work-has-pauses';
const workIsHandedOn = 'work-is-handed-on';

/** The most steps that lead from a message to a wait, when nothing fails (test/unit/decide.property.test.ts). */
const longestWork = 24;
const longestPauseMs = 60_000;

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
  let state = handedOn ? takeOver(handedOn) : initialState;
  const inbox: InstanceMessage[] = [];
  let received = 0;
  let isFull = false;
  let stepsSinceMessage = 0;
  setHandler(instanceMessageSignal, (message) => {
    inbox.push(message);
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
      apply(message.type === 'rowDeleted' && !patched(rowIsRead) ? { ...message, type: 'rowDeletedUnread' } : message);
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
      if (isFull && isCancellation(error)) return undefined;
      throw error;
    }
  };

  /** The next step. Unless the run is full, the row was read where the state was in doubt. */
  const nextEffect = async (): Promise<Effect> => {
    for (;;) {
      absorbInbox();
      const effect = decide(state);
      if (effect.type !== 'readRow' || isFull) return effect;
      stepsSinceMessage += 1;
      if (!patched(rowIsRead)) {
        apply({ type: 'rowNotRead' });
        continue;
      }
      const row = await unlessFull(() => readRow({ instanceId }));
      if (row !== undefined) apply({ type: 'rowRead', row });
    }
  };

  /** Slows down a workflow that takes step after step without a message: the steps do not lead to a wait, and haste would not help. */
  const pauseUnlessProgress = async (): Promise<void> => {
    stepsSinceMessage += 1;
    if (stepsSinceMessage <= longestWork || !patched(workHasPauses)) return;
    const pauseMs = Math.min(1_000 * 2 ** (stepsSinceMessage - longestWork - 1), longestPauseMs);
    await condition(() => inbox.length > 0, pauseMs);
  };

  const caused = () => state.cause && { cause: state.cause };

  const provisionWhileDesired = async (generation: number, resume: boolean): Promise<InstanceEvent | undefined> => {
    apply({ type: 'provisioningStarted' });
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
      if (isFull || next.type !== 'provision' || next.generation !== generation) scope.cancel();
    }
    try {
      const result = await attempt;
      switch (result.outcome) {
        case 'provisioned':
          return { type: 'provisioned', row: result.row, runtimeId: result.runtimeId, restart: result.restart };
        case 'agentMissing':
          return { type: 'agentMissing', row: result.row, message: result.message };
        case 'notWanted':
          return { type: 'notWanted', row: result.row };
        case 'misplaced':
          return undefined;
        case 'gone':
          return { type: 'rowGone' };
      }
    } catch (error) {
      if (isCancellation(error)) return undefined;
      const reason = failureReason(error);
      return reason && { type: 'provisioningFailed', generation, reason };
    }
  };

  const perform = async (
    effect: Exclude<Effect, { type: 'wait' | 'complete' | 'readRow' }>,
  ): Promise<InstanceEvent | undefined> => {
    switch (effect.type) {
      case 'provision':
        return provisionWhileDesired(effect.generation, effect.resume);
      case 'cleanUp':
        return unlessFull<InstanceEvent>(() =>
          cleanUp({ instanceId, reason: stopReasonOf(state), ...caused() }).then(() => ({ type: 'cleanedUp' })),
        ).catch((error: unknown) => ({ type: 'cleanUpFailed', message: rootMessage(error) }));
      case 'recordStatus': {
        const { status, generation, reason } = effect;
        showStatus(status, reason);
        const input = { instanceId, status, generation, ...(reason && { reason }), ...caused() };
        const result = await unlessFull(() => recordStatus(input));
        if (!result) return undefined;
        if (result.outcome === 'gone') return { type: 'rowGone' };
        return { type: 'statusRecorded', status, generation, row: result.row, ...(reason && { reason }) };
      }
      case 'recordFinalStatus': {
        showStatus('stopped');
        const row = await unlessFull(() => recordFinalStatus({ instanceId, ...caused() }));
        return row === undefined ? undefined : { type: 'finalStatusRecorded', ...(row && { row }) };
      }
    }
  };

  for (;;) {
    const effect = await nextEffect();
    setCurrentDetails(describeProgress(state, effect));
    if (effect.type === 'complete') return;
    // `nextEffect` has emptied the inbox, so no message is lost when only the state is handed on.
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    if (effect.type === 'readRow' || isFull || continueAsNewSuggested || historyLength > longestHistory)
      return continueAsNew<typeof instanceWorkflow>({ instanceId, state: handOn(state) });
    if (effect.type === 'wait') {
      stepsSinceMessage = 0;
      if (effect.until === undefined) await condition(() => inbox.length > 0);
      else if (!(await condition(() => inbox.length > 0, Math.max(effect.until - Date.now(), 1))))
        apply({ type: 'pauseOver' });
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
  if (!(error instanceof ActivityFailure)) throw error;
  const { cause } = error;
  if (cause instanceof TimeoutFailure && cause.timeoutType !== 'HEARTBEAT') {
    return { code: 'provisioning_failed', message: `Provisioning took too long (${cause.timeoutType}).` };
  }
  if (!(cause instanceof ApplicationFailure)) return undefined;
  return isProvisioningFailure(cause.type) ? { code: cause.type, message: cause.message } : undefined;
}

function rootMessage(error: unknown): string {
  return rootCause(error) ?? 'Clean-up did not succeed in time.';
}

function isProvisioningFailure(type: string | null | undefined): type is ProvisioningFailureCode {
  return (provisioningFailureCodes as readonly unknown[]).includes(type);
}
