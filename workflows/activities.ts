import type { InstanceStatus, StatusReason, StopReason } from '../contracts/names.ts';
import type { Cause, RowReading, RowState } from './messages.ts';
import type { RestartPolicy } from './state.ts';

/** What the workflow asks of the world; `activities/` does it. */
export interface InstanceActivities {
  /**
   * Runs the agent as row and agent say now; both are read here, so that config enters no history.
   * Fails with an ApplicationFailure of a `ProvisioningFailureCode` as its type when the instance cannot run.
   */
  provision(input: ProvisionInput): Promise<ProvisionResult>;
  /** Stops the agent and removes whatever was made for the instance. */
  cleanUp(input: CleanUpInput): Promise<void>;
  /** The row as it is now; null when there is none. */
  readRow(input: { instanceId: string }): Promise<RowState | null>;
  recordStatus(input: RecordStatusInput): Promise<RecordStatusResult>;
  recordFinalStatus(input: { instanceId: string; cause?: Cause }): Promise<RowReading | null>;
}

export interface ProvisionInput {
  instanceId: string;
  /** The generation that ran before and may go on though its agent was retired; null when none may. */
  resumeGeneration: number | null;
  cause?: Cause;
}

export interface CleanUpInput {
  instanceId: string;
  /** Told to an agent that listens. */
  reason?: StopReason;
  cause?: Cause;
}

export type ProvisionResult =
  | { outcome: 'provisioned'; row: RowReading; runtimeId: string; restart: RestartPolicy }
  | { outcome: 'agentMissing'; row: RowReading; message: string }
  | { outcome: 'notWanted'; row: RowReading }
  | { outcome: 'gone' };

export interface RecordStatusInput {
  instanceId: string;
  status: InstanceStatus;
  generation: number;
  reason?: StatusReason;
  cause?: Cause;
}

export type RecordStatusResult = { outcome: 'recorded' | 'unchanged' | 'stale'; row: RowReading } | { outcome: 'gone' };

export interface SweepActivities {
  sweep(): Promise<SweepResult>;
}

/** How many instances a sweep has told something, by what was wrong. */
export interface SweepResult {
  /** The row asks for something that was not observed for a while. */
  rowsNotObserved: number;
  /** A row without a running workflow: it was never started, or was terminated. */
  rowsWithoutWorkflow: number;
  /** A running workflow whose row is gone. */
  workflowsWithoutRow: number;
  /** Something runs for an instance that has neither row nor workflow. */
  runtimesWithoutOwner: number;
  /** A row says `running`, and nothing is kept for it in its runtime. */
  rowsWithoutRuntime: number;
  /** Another generation runs than the row says, or something is kept for a row that says `stopped` or `failed`. */
  rowsUnlikeRuntime: number;
  /** A row says that its agent is not published, although it is by now. */
  rowsAwaitingPublishedAgent: number;
  /** An instance may run, although the retirement of its agent asked for an end. */
  rowsOfDrainedAgent: number;
}
