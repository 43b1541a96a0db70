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
import { instanceMessageSignal, instanceStateQuery, type InstanceMessage } from './messages.ts';
import { showStatus } from './show-status.ts';
import { initialState, type InstanceEvent, type InstanceState } from './state.ts';
import { stopReasonOf } from './stop-reason.ts';

const { provision } = proxyActivities<InstanceActivities>({
  summary: 'Run the agent',
  // Above the longest time that an agent may take to be ready.
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
  // What was given up must not write later than what the next run writes.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  // Longer waits are timers of the server: an outage does not hold a workflow task open, in which signals cannot be handled.
  localRetryThreshold: '1 second',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
});

/** In events. Below what Temporal suggests: a worker without the run in its cache replays all of it in one go. */
const longestHistory = 1_000;

/**
 * Messages that one run takes while a step is under way. Temporal refuses those beyond 10,000, and the workflow task that ends the
 * run may have to replay them all: 0.6 ms of CPU time each.
 */
const mostMessages = 2_000;

/** Names of patches: what runs from before them did otherwise (docs/replay.md). */
const rowIsRead = 'row-is-read';
const workHasPauses = 'work-has-pauses';
const workIsHandedOn = 'work-is-handed-on';

/** Steps from any news to rest, at most (test/unit/decide.property.test.ts). */
const longestWork = 24;
const longestPauseMs = 60_000;

export interface InstanceWorkflowInput {
  instanceId: string;
  /** Passed on by the run before this one. */
  state?: InstanceState;
}

/**
 * The life of one instance: feeds what happens to `evolve`, asks `decide` for the next step and takes it, until the row
 * is gone and nothing is left. Handlers only enqueue; this loop alone acts.
 *
 * Not cancellable: the row alone says what is wanted, so a cancel request changes nothing.
 */
export async function instanceWorkflow(input: InstanceWorkflowInput): Promise<void> {
  return CancellationScope.nonCancellable(() => live(input));
}

async function live({ instanceId, state: handedOn = initialState }: InstanceWorkflowInput): Promise<void> {
  let state = handedOn;
  const inbox: InstanceMessage[] = [];
  let received = 0;
  let isFull = false;
  let stepsSinceNews = 0;
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
    if (messages.length > 0) stepsSinceNews = 0;
    for (const message of messages) {
      apply(message.type === 'rowDeleted' && !patched(rowIsRead) ? { ...message, type: 'rowDeletedUnread' } : message);
    }
    state = { ...state, messages: state.messages + messages.length };
  };

  /**
   * Does one step. Once the run has taken as many messages as it may, the step is cancelled, and the next run does it again.
   *
   * @returns undefined when it was cancelled for that
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

  /** The next step, with every doubt about the row settled unless the run is full. */
  const nextEffect = async (): Promise<Effect> => {
    for (;;) {
      absorbInbox();
      const effect = decide(state);
      if (effect.type !== 'readRow' || isFull) return effect;
      stepsSinceNews += 1;
      if (!patched(rowIsRead)) {
        apply({ type: 'rowNotRead' });
        continue;
      }
      const row = await unlessFull(() => readRow({ instanceId }));
      if (row !== undefined) apply({ type: 'rowRead', row });
    }
  };

  /** No news and no end of steps: the world and this code do not agree, and asking faster would not help. */
  const pauseUnlessProgress = async (): Promise<void> => {
    stepsSinceNews += 1;
    if (stepsSinceNews <= longestWork || !patched(workHasPauses)) return;
    const pauseMs = Math.min(1_000 * 2 ** (stepsSinceNews - longestWork - 1), longestPauseMs);
    await condition(() => inbox.length > 0, pauseMs);
  };

  const caused = () => state.cause && { cause: state.cause };

  const provisionUnlessUnwanted = async (generation: number, resume: boolean): Promise<InstanceEvent | undefined> => {
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
        return provisionUnlessUnwanted(effect.generation, effect.resume);
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
    // The inbox is empty here, so the state is all there is to hand on.
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    if (effect.type === 'readRow' || isFull || continueAsNewSuggested || historyLength > longestHistory)
      return continueAsNew<typeof instanceWorkflow>({ instanceId, state });
    if (effect.type === 'wait') {
      stepsSinceNews = 0;
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

/** Undefined when the instance is not to blame (a server or a worker was away): provisioning is then simply begun again. */
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
