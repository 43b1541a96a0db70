import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { Cause, RowReading } from './messages.ts';

/** What the workflow asks of the world; `activities/` does it. */
export interface InstanceActivities {
  /**
   * Runs the agent as row and agent say now; both are read here, so that config enters no history.
   * Fails with an ApplicationFailure of a `FailureCode` as its type when the instance cannot run.
   */
  provision(input: { instanceId: string }): Promise<ProvisionResult>;
  /** Stops the agent and removes whatever was made for the instance. */
  cleanUp(input: { instanceId: string }): Promise<void>;
  recordStatus(input: RecordStatusInput): Promise<RecordStatusResult>;
  recordFinalStatus(input: { instanceId: string; cause?: Cause }): Promise<RowReading | null>;
}

export type ProvisionResult =
  | { outcome: 'provisioned'; row: RowReading; runtimeId: string }
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
