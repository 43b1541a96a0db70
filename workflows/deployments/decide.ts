import type { DeploymentReason, DeploymentStatus } from '../../contracts/names.ts';
import type { DeploymentFacts, DeploymentMemory } from './facts.ts';
import {
  abortedByPerson,
  alreadyCurrent,
  awaitingPromotion,
  candidateAbsent,
  candidateLost,
  foreignChange,
  invalidStrategy,
  noProgress,
  pausedByPerson,
  previousAbsent,
  rollbackRequested,
} from './reasons.ts';

/** The next step of a deployment. What it intends is in the row before it happens, so that it is repeated after a crash. */
export type DeploymentEffect =
  /** Nothing is to be done until the facts change. */
  | { type: 'watch' }
  /** `pauses`: the deployment waits for a person. */
  | {
      type: 'record';
      status: DeploymentStatus;
      reason?: DeploymentReason;
      step?: number;
      percentage?: number;
      previousBuildId?: string | null;
      pauses?: true;
    }
  /** Makes sure that nobody else changes the routing unnoticed. */
  | { type: 'takeOver' }
  /** Lets the candidate prove itself on histories before it gets the instances of the step. */
  | { type: 'check'; step: number }
  | { type: 'route'; to: DeploymentTarget }
  /** Probes the instances of the candidate, and looks for instances that fail because of it. */
  | { type: 'observe'; forSeconds: number }
  /** Makes the previous build carry on what the candidate carried. */
  | { type: 'heal' }
  /** Deletes builds that nothing needs any more. */
  | { type: 'retire' };

/** `ramp`: the candidate gets the percentage of the row. `candidate`, `previous`: that build is the current one, and nothing ramps. */
export type DeploymentTarget = 'ramp' | 'candidate' | 'previous';

const watch: DeploymentEffect = { type: 'watch' };

/** Percentages are 32-bit floats in rows and at the server. */
const rounding = 0.001;

export function decide(facts: DeploymentFacts, memory: DeploymentMemory): DeploymentEffect {
  const { desiredState, problem, status } = facts;
  if (isRollingBack(facts)) return decideRollback(facts, memory);
  if (facts.secondsSincePromotion !== undefined) return decidePromoted(facts, memory);
  if (desiredState === 'aborted') return takeBack(facts, 'aborted', abortedByPerson());
  if (desiredState === 'rolled_back') return takeBack(facts, 'rolled_back', rollbackRequested());
  if (problem !== undefined) return takeBack(facts, 'refused', invalidStrategy(problem));
  const isTaken = facts.percentage > 0 || status === 'checking' || status === 'ramping' || status === 'promoting';
  const stopped = isTaken ? stopForStranger(facts) : undefined;
  if (stopped) return stopped;
  if (memory.failure) return giveUp(facts, memory.failure);
  if (desiredState === 'paused') {
    if (status !== 'paused') return { type: 'record', status: 'paused', reason: pausedByPerson(facts) };
    const isQuiet = facts.reason?.code === 'paused' || facts.reason?.code === 'awaiting_promotion';
    return facts.percentage > 0 && isQuiet ? guard(facts) : watch;
  }
  switch (status) {
    case 'requested':
      return { type: 'record', status: 'waiting' };
    case 'waiting':
      return waitForWorkers(facts);
    case 'checking':
      return check(facts, memory);
    case 'ramping':
      return ramp(facts, memory);
    case 'promoting':
      return promote(facts, memory);
    case 'paused':
      return resume(facts);
    // The ends, and what was decided above.
    case 'promoted':
    case 'rolling_back':
    case 'drained':
    case 'refused':
    case 'rolled_back':
    case 'aborted':
    case 'superseded':
      return watch;
  }
}

function waitForWorkers(facts: DeploymentFacts): DeploymentEffect {
  const { routing, missing, limits, buildId } = facts;
  if (routing.currentBuildId === buildId) return { type: 'record', status: 'refused', reason: alreadyCurrent(facts) };
  if (missing.candidate.length > 0) {
    const isOver = facts.secondsSinceRequest > limits.pollersDeadlineSeconds;
    return isOver ? { type: 'record', status: 'refused', reason: candidateAbsent(facts) } : watch;
  }
  if (routing.stranger !== undefined) return { type: 'takeOver' };
  return { type: 'record', status: 'checking', previousBuildId: routing.currentBuildId };
}

function check(facts: DeploymentFacts, { checked, secondsInStep }: DeploymentMemory): DeploymentEffect {
  const step = nextStep(facts);
  if (step === undefined) return { type: 'record', status: 'promoting', percentage: 100 };
  if (facts.missing.candidate.length > 0) return giveUp(facts, candidateLost(facts));
  if (checked?.step !== step) {
    const isOver = secondsInStep > facts.limits.progressDeadlineSeconds;
    return isOver ? giveUp(facts, noProgress(facts, 'The candidate was not checked')) : { type: 'check', step };
  }
  if (facts.desiredState === 'promoted') return { type: 'record', status: 'promoting', percentage: 100 };
  const isLast = step === facts.limits.steps.length;
  if (isLast && !facts.limits.autoPromote) {
    return { type: 'record', status: 'paused', reason: awaitingPromotion(facts) };
  }
  return { type: 'record', status: 'ramping', step, percentage: Math.max(checked.percentage, facts.percentage) };
}

function ramp(facts: DeploymentFacts, memory: DeploymentMemory): DeploymentEffect {
  const { baked, secondsInStep } = memory;
  const { limits, step, desiredState } = facts;
  if (facts.routing.currentBuildId === facts.buildId) return { type: 'record', status: 'promoting', percentage: 100 };
  if (facts.missing.candidate.length > 0) return giveUp(facts, candidateLost(facts));
  if (!isRamped(facts)) return route(facts, memory, 'ramp');
  if (baked === step || desiredState === 'promoted') {
    const isPast = desiredState === 'promoted' || nextStep(facts) === undefined;
    return isPast ? { type: 'record', status: 'promoting', percentage: 100 } : { type: 'record', status: 'checking' };
  }
  if (secondsInStep > limits.bakeSeconds + limits.progressDeadlineSeconds) {
    return giveUp(facts, noProgress(facts, 'The instances of the candidate were not all probed'));
  }
  return { type: 'observe', forSeconds: Math.max(0, limits.bakeSeconds - secondsInStep) };
}

function promote(facts: DeploymentFacts, memory: DeploymentMemory): DeploymentEffect {
  if (facts.routing.currentBuildId === facts.buildId) return { type: 'record', status: 'promoted', percentage: 100 };
  if (facts.missing.candidate.length > 0) return giveUp(facts, candidateLost(facts));
  return route(facts, memory, 'candidate');
}

/** The server may refuse a change for a while, but not for good. */
function route(facts: DeploymentFacts, memory: DeploymentMemory, to: DeploymentTarget): DeploymentEffect {
  const isOver = memory.secondsInStep > facts.limits.progressDeadlineSeconds;
  return isOver
    ? giveUp(facts, noProgress(facts, 'The routing was not changed', memory.refusal))
    : { type: 'route', to };
}

/** A person let a paused deployment go on, or promoted it. */
function resume(facts: DeploymentFacts): DeploymentEffect {
  const { reason, desiredState, percentage, routing } = facts;
  if (reason?.code === 'awaiting_promotion' && desiredState === 'running') return guard(facts);
  if (routing.stranger !== undefined && percentage > 0) return { type: 'takeOver' };
  if (percentage === 0) return { type: 'record', status: desiredState === 'promoted' ? 'checking' : 'waiting' };
  return { type: 'record', status: 'ramping' };
}

function decidePromoted(facts: DeploymentFacts, memory: DeploymentMemory): DeploymentEffect {
  const { status, desiredState, limits, secondsSincePromotion = 0 } = facts;
  if (desiredState === 'rolled_back') return { type: 'record', status: 'rolling_back', reason: rollbackRequested() };
  const stopped = stopForStranger(facts);
  if (stopped) return stopped;
  const isWithinWindow = secondsSincePromotion <= limits.rollbackWindowSeconds;
  if (memory.failure && isWithinWindow) return giveUp(facts, memory.failure);
  if (desiredState === 'paused') {
    return status === 'paused' ? watch : { type: 'record', status: 'paused', reason: pausedByPerson(facts) };
  }
  if (facts.routing.stranger !== undefined) return { type: 'takeOver' };
  if (facts.routing.currentBuildId !== facts.buildId) {
    return facts.missing.candidate.length > 0 ? watch : { type: 'route', to: 'candidate' };
  }
  if (status === 'paused') return { type: 'record', status: 'promoted' };
  if (isWithinWindow) {
    return { type: 'observe', forSeconds: Math.max(1, limits.rollbackWindowSeconds - secondsSincePromotion) };
  }
  if (memory.isRetired) return { type: 'record', status: 'drained' };
  return facts.previousBuildId === null || facts.previousIsDrained ? { type: 'retire' } : watch;
}

function decideRollback(facts: DeploymentFacts, memory: DeploymentMemory): DeploymentEffect {
  const { status, desiredState, routing, buildId, missing } = facts;
  const reason = memory.rollbackReason ?? facts.reason ?? rollbackRequested();
  const isRouted = routing.currentBuildId === buildId || routing.rampingBuildId === buildId;
  const needsWorkers = !memory.isHealed && missing.previous.length > 0;
  if (status === 'paused') {
    return desiredState === 'paused' || needsWorkers ? watch : { type: 'record', status: 'rolling_back', reason };
  }
  if (needsWorkers) return { type: 'record', status: 'paused', reason: previousAbsent(facts) };
  if (isRouted && routing.stranger !== undefined) return { type: 'takeOver' };
  if (isRouted) return { type: 'route', to: 'previous' };
  if (memory.failure?.code === 'heal_failed') {
    return { type: 'record', status: 'paused', reason: memory.failure, pauses: true };
  }
  if (!memory.isHealed) return { type: 'heal' };
  const isAborted = reason.code === 'aborted' || (desiredState === 'aborted' && reason.code !== 'rollback_requested');
  return { type: 'record', status: isAborted ? 'aborted' : 'rolled_back', reason };
}

/** A rollback that waits for workers or for a person has the status `paused`. */
export function isRollingBack({ status, reason }: DeploymentFacts): boolean {
  if (status === 'rolling_back') return true;
  return status === 'paused' && (reason?.code === 'previous_absent' || reason?.code === 'heal_failed');
}

/** Whoever changes the routing by hand wants something else. A person who knows of it may let the deployment go on. */
function stopForStranger(facts: DeploymentFacts): DeploymentEffect | undefined {
  const { routing, status, reason, desiredState } = facts;
  if (routing.stranger === undefined) return undefined;
  if (status !== 'paused' || reason?.code !== 'foreign_change') {
    return { type: 'record', status: 'paused', reason: foreignChange(facts), pauses: true };
  }
  return desiredState === 'paused' ? watch : undefined;
}

function giveUp(facts: DeploymentFacts, reason: DeploymentReason): DeploymentEffect {
  if (facts.percentage === 0) return { type: 'record', status: 'refused', reason };
  // Workers without a build get nothing back that a build has made progress with.
  const isOneWay = facts.secondsSincePromotion !== undefined && facts.previousBuildId === null;
  if (facts.limits.autoRollback && !isOneWay) return { type: 'record', status: 'rolling_back', reason };
  if (facts.status === 'paused' && facts.reason?.code === reason.code) return watch;
  return { type: 'record', status: 'paused', reason, pauses: true };
}

function takeBack(
  { percentage }: DeploymentFacts,
  ended: 'aborted' | 'rolled_back' | 'refused',
  reason: DeploymentReason,
): DeploymentEffect {
  return { type: 'record', status: percentage === 0 ? ended : 'rolling_back', reason };
}

/** Watches over what the candidate was given already. */
function guard(facts: DeploymentFacts): DeploymentEffect {
  if (facts.percentage === 0) return watch;
  if (facts.missing.candidate.length > 0) return giveUp(facts, candidateLost(facts));
  return { type: 'observe', forSeconds: facts.limits.progressDeadlineSeconds };
}

function isRamped({ routing, buildId, percentage }: DeploymentFacts): boolean {
  return routing.rampingBuildId === buildId && Math.abs(routing.percentage - percentage) < rounding;
}

/** The first step that gives the candidate more than it has; undefined after the last one. */
function nextStep({ limits, percentage }: DeploymentFacts): number | undefined {
  const index = limits.steps.findIndex((step) => step > percentage + rounding);
  return index < 0 ? undefined : index + 1;
}
