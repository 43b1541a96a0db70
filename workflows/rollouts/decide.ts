import type { RolloutReason, RolloutStatus } from '../../contracts/names.ts';
import type { RolloutFacts } from './facts.ts';
import {
  abortedByPerson,
  agentRetired,
  awaitingPromotion,
  canaryFailed,
  invalidStrategy,
  noProgress,
  pausedByPerson,
  superseded,
  tooManyFailures,
  versionWithdrawn,
} from './reasons.ts';

/** The next step of a rollout. It leads to other facts, unless it is `watch`. */
export type RolloutEffect =
  /** Nothing is to be done until the facts change. */
  | { type: 'watch' }
  | { type: 'moveWave'; wave: number; limit: number; isCanary: boolean }
  /** `holds`: the rollout is paused until a person resumes it. */
  | { type: 'record'; status: RolloutStatus; reason?: RolloutReason; holds?: true }
  | { type: 'beginRollback'; reason: RolloutReason; withdraws: boolean }
  /** Gives instances their versions back, and waits until they run. */
  | { type: 'revert' }
  | { type: 'complete' };

/** The most instances of one wave, which are moved in one transaction. */
const largestWave = 500;

const watch: RolloutEffect = { type: 'watch' };

export function decide(facts: RolloutFacts): RolloutEffect {
  if (facts.status === 'rolling_back') return decideRollback(facts);
  const { desiredState, moved, problem } = facts;
  if (facts.agentRetired) return { type: 'record', status: 'aborted', reason: agentRetired(facts) };
  if (problem !== undefined) return { type: 'record', status: 'refused', reason: invalidStrategy(problem) };
  if (desiredState === 'superseded') return { type: 'record', status: 'superseded', reason: superseded(facts) };
  if (desiredState === 'aborted') {
    if (moved === 0) return { type: 'record', status: 'aborted', reason: abortedByPerson() };
    return { type: 'beginRollback', reason: abortedByPerson(), withdraws: false };
  }
  if (facts.versionWithdrawn) {
    if (moved === 0) return { type: 'record', status: 'refused', reason: versionWithdrawn(facts) };
    return { type: 'beginRollback', reason: versionWithdrawn(facts), withdraws: false };
  }
  const failures = failuresOf(facts);
  if (failures) return giveUp(facts, failures);
  if (desiredState === 'paused') {
    const isExplained = facts.status === 'paused' && facts.reason && facts.reason.code !== 'awaiting_promotion';
    return isExplained ? watch : { type: 'record', status: 'paused', reason: pausedByPerson() };
  }
  return goOn(facts);
}

function goOn(facts: RolloutFacts): RolloutEffect {
  const { limits, targets, awaited, out, wave, moved } = facts;
  if (awaited > 0) return stall(facts);
  const canary = canaryStillNeeded(facts);
  // Nothing is known about the version yet, and what was moved cannot say anything now.
  if (canary === 0 && !isProven(facts) && facts.judged > 0) return stall(facts);
  if (canary === 0 && moved > 0 && !limits.autoPromote && !facts.promoted) {
    const isSaid = facts.status === 'paused' && facts.reason?.code === 'awaiting_promotion';
    return isSaid ? watch : { type: 'record', status: 'paused', reason: awaitingPromotion(facts) };
  }
  if (targets.judged + targets.others === 0) return { type: 'complete' };
  if (wave > 0 && facts.secondsSinceWave < limits.pauseBetweenWavesSeconds) return rest(facts);
  const places = limits.maxParallel - out;
  if (places <= 0) return stall(facts);
  const limit = Math.min(places, canary > 0 ? canary : largestWave, largestWave);
  return { type: 'moveWave', wave: wave + 1, limit, isCanary: canary > 0 };
}

function decideRollback(facts: RolloutFacts): RolloutEffect {
  const { reason = abortedByPerson() } = facts;
  if (facts.agentRetired) return { type: 'record', status: 'aborted', reason: agentRetired(facts) };
  if (facts.toRevert > 0 || facts.notBack > 0) return { type: 'revert' };
  return { type: 'record', status: reason.code === 'aborted' ? 'aborted' : 'rolled_back', reason };
}

/** How many more instances the canary is to have. */
function canaryStillNeeded(facts: RolloutFacts): number {
  const { limits, targets, judged, isPastCanary } = facts;
  if (isPastCanary && isProven(facts)) return 0;
  // Where no instance fits the canary, it is chosen from all.
  const available = judged === 0 && targets.fitCanary === 0 ? targets.judged : targets.fitCanary;
  return Math.max(0, Math.min(limits.canary - judged, available));
}

/** An instance became healthy, or a person went on although none did. */
function isProven({ healthy, forgiven }: RolloutFacts): boolean {
  return healthy > 0 || forgiven > 0;
}

function failuresOf(facts: RolloutFacts): RolloutReason | undefined {
  const { failed, forgiven, limits, isPastCanary } = facts;
  const failures = failed - forgiven;
  if (!isPastCanary) return failures > 0 ? canaryFailed(facts) : undefined;
  const allowed = isProven(facts) ? limits.maxFailures : 0;
  return failures > allowed ? tooManyFailures(facts, allowed) : undefined;
}

function giveUp({ limits }: RolloutFacts, reason: RolloutReason): RolloutEffect {
  if (limits.autoRollback) return { type: 'beginRollback', reason, withdraws: true };
  return { type: 'record', status: 'paused', reason, holds: true };
}

/** Waits for instances, but not for good. */
function stall(facts: RolloutFacts): RolloutEffect {
  const { progressDeadlineSeconds, pauseBetweenWavesSeconds } = facts.limits;
  const isOver = facts.secondsSinceProgress > progressDeadlineSeconds + pauseBetweenWavesSeconds;
  return isOver ? giveUp(facts, noProgress(facts)) : rest(facts);
}

function rest({ status }: RolloutFacts): RolloutEffect {
  return status === 'paused' ? { type: 'record', status: 'progressing' } : watch;
}
