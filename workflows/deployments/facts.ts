import type { DeploymentDesiredState, DeploymentReason, DeploymentStatus } from '../../contracts/names.ts';

/** What the row says of the active deployment of a name, and Temporal of the routing of its tasks. */
export interface DeploymentFacts {
  deploymentId: string;
  deploymentName: string;
  /** Of the row. Each change of it has the next one. */
  sequence: number;
  /** The candidate. */
  buildId: string;
  /** Null: workers without a build were current before. */
  previousBuildId: string | null;
  status: DeploymentStatus;
  desiredState: DeploymentDesiredState;
  /** The last step of the ramp that was begun; 0 before the first. */
  step: number;
  /** Of the ramp that this step wants. */
  percentage: number;
  reason?: DeploymentReason;
  held: number;
  resetInstances: number;
  /** A sentence that says why the strategy cannot be followed. */
  problem?: string;
  limits: DeploymentLimits;

  routing: DeploymentRouting;
  /** Task queues on which a build has no workers although it needs them. */
  missing: { candidate: readonly string[]; previous: readonly string[] };
  /** Time of the last change of the row, by PostgreSQL. */
  changedAt: string;
  secondsSinceRequest: number;
  /** Left out before the promotion. */
  secondsSincePromotion?: number;
  /** Whether the server says that the previous build holds no run any more. Known after the promotion alone. */
  previousIsDrained: boolean;
}

/** How Temporal routes the tasks of the deployment name. A build that is null is none. */
export interface DeploymentRouting {
  currentBuildId: string | null;
  rampingBuildId: string | null;
  percentage: number;
  /** Who manages it or changed it last, if that is somebody else. */
  stranger?: string;
}

/** The strategy, as far as decisions depend on it. */
export interface DeploymentLimits {
  steps: readonly number[];
  bakeSeconds: number;
  pollersDeadlineSeconds: number;
  progressDeadlineSeconds: number;
  rollbackWindowSeconds: number;
  autoPromote: boolean;
  autoRollback: boolean;
}

/**
 * What the workflow itself did for the deployment. A workflow that is started anew knows nothing of it, and so checks and watches once
 * more.
 */
export interface DeploymentMemory {
  /** The step that passed its check, with the percentage that gives it enough instances. */
  checked?: { step: number; percentage: number; at: string };
  /** The percentages that the candidate has been given so far, and since when, by PostgreSQL. */
  ramps?: readonly { percentage: number; at: string }[];
  /** The step that was watched for long enough. */
  baked?: number;
  /** Why the candidate is to be taken back. */
  failure?: DeploymentReason;
  /** Why it is being taken back, which the row does not say while the rollback is paused. */
  rollbackReason?: DeploymentReason;
  /** Every run that the candidate carried on answers again. */
  isHealed?: boolean;
  /** The previous build was deleted, or there is none. */
  isRetired?: boolean;
  /** Why the server does not route as the deployment wants it. */
  refusal?: string;
  /** Since the last change of status, step or routing. */
  secondsInStep: number;
}
