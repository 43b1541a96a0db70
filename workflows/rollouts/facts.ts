import type { RolloutDesiredState, RolloutReason, RolloutStatus } from '../../contracts/names.ts';

/** What the rows say of the active rollout of an agent, at one time of PostgreSQL's clock. */
export interface RolloutFacts {
  rolloutId: string;
  /** Of the row. Each change of it has the next one. */
  sequence: number;
  version: string;
  status: RolloutStatus;
  desiredState: RolloutDesiredState;
  promoted: boolean;
  reason?: RolloutReason;
  agentRetired: boolean;
  versionWithdrawn: boolean;
  /** A sentence that says why the strategy cannot be followed. */
  problem?: string;
  limits: RolloutLimits;

  /** The last wave that was moved; 0 before the first. */
  wave: number;
  /** A wave after the canary was moved. */
  isPastCanary: boolean;
  total: number;
  moved: number;
  healthy: number;
  failed: number;
  /** Failures that a person knew of when they resumed the rollout. */
  forgiven: number;
  reverted: number;

  /** Moved instances whose outcome is awaited. */
  awaited: number;
  /** Moved instances that cannot become healthy now, but not because of the version. */
  excused: number;
  /** Moved instances that are to run and do not, or not for long enough. */
  out: number;
  /** Instances that say something about the version and were not left to their users. */
  judged: number;
  /** Instances that are still to be moved: those that will say something about the version, those of them that fit the canary, and others. */
  targets: { judged: number; fitCanary: number; others: number };
  /** Of a rollback: instances that have yet to get their version back, and those that have it and do not run again yet. */
  toRevert: number;
  notBack: number;

  secondsSinceProgress: number;
  /** Since the last wave was over. */
  secondsSinceWave: number;
  /** The first instances that failed or are awaited. */
  troubled: readonly TroubledInstance[];
}

export interface TroubledInstance {
  instanceId: string;
  message: string;
}

/** The strategy with its percentages turned into numbers of instances. */
export interface RolloutLimits {
  canary: number;
  maxParallel: number;
  maxFailures: number;
  progressDeadlineSeconds: number;
  pauseBetweenWavesSeconds: number;
  autoPromote: boolean;
  autoRollback: boolean;
}
