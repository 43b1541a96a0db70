import type { StopReason } from '../contracts/names.ts';
import type { NewStatus } from '../database/instances/status.ts';
import type { Cause, RowReading, RowState } from '../workflows/messages.ts';
import type { RestartPolicy } from '../workflows/restart-policy.ts';
import type { HostLostResult, LocateResult } from '../workflows/state.ts';

/** What a step needs to know of the activity that takes it. */
export interface StepContext {
  /** Aborted when the step is no longer wanted. */
  signal: AbortSignal;
  heartbeat: () => void;
  /** How long the caller waits; left out: until the step ends. */
  patienceMs?: number;
}

/** The steps that read and write rows. Every worker takes them. */
export interface RowSteps {
  /**
   * Where the instance is placed: on the host that holds its agent, or may. A placement is made if there is none. Reads the row and the
   * agent itself.
   *
   * @throws ApplicationFailure whose type is a `ProvisioningFailureCode` when the instance cannot run
   */
  place(input: PlacementInput): Promise<PlaceResult>;
  /** The placement as it is. One on a host that may be replaced is removed first. */
  locate(input: PlacementInput): Promise<LocateResult>;
  /** The current row; null when there is none. */
  readRow(input: { instanceId: string }): Promise<RowState | null>;
  recordStatus(input: NewStatus): Promise<RecordStatusResult>;
  recordFinalStatus(input: { instanceId: string; cause?: Cause }): Promise<RowReading | null>;
}

/** The steps on one host. */
export interface HostSteps {
  /**
   * Starts the agent, or takes over one that runs. Reads the row and the agent itself.
   *
   * @throws ApplicationFailure whose type is a `ProvisioningFailureCode` when the instance cannot run
   */
  provision(input: ProvisionInput, context: StepContext): Promise<ProvisionResult>;
  /** Stops the agent and removes everything that was created for the instance. */
  cleanUp(input: CleanUpInput, context: StepContext): Promise<void>;
}

export interface PlacementInput {
  instanceId: string;
  /**
   * The host that the workflow is ready to leave. A placement on another host that may be replaced is only reported (`hostLost`): if it was
   * given up and the answer was lost, the workflow would wait for that host for good.
   */
  leavingHostId?: string;
}

export type PlaceResult =
  /** `leftHostId`: the lost host that the instance was placed on before. It has ended the agent. */
  | { outcome: 'placed'; hostId: string; leftHostId?: string }
  /** `message` says why no host fits. */
  | { outcome: 'noHost'; row: RowReading; message: string }
  | HostLostResult
  | { outcome: 'agentMissing'; row: RowReading; message: string }
  | { outcome: 'notWanted'; row: RowReading }
  | { outcome: 'gone' };

export interface ProvisionInput {
  instanceId: string;
  /** The generation that the workflow wants. The one of the row is started, which may be later. */
  generation: number;
  /** The generation that ran before, and may therefore go on after its agent was retired; null when none may. */
  resumeGeneration: number | null;
  cause?: Cause;
}

export interface CleanUpInput {
  instanceId: string;
  /** The reason that an agent with a control queue is given. */
  reason: StopReason;
  cause?: Cause;
}

export type ProvisionResult =
  | { outcome: 'provisioned'; row: RowReading; runtimeId: string; where: string; restart: RestartPolicy }
  | { outcome: 'agentMissing'; row: RowReading; message: string }
  | { outcome: 'notWanted'; row: RowReading }
  /** The instance is not placed on the host of the activity, which has started nothing. */
  | { outcome: 'misplaced' }
  | { outcome: 'gone' };

export type RecordStatusResult =
  | { outcome: 'recorded' | 'unchanged' | 'stale'; row: RowReading }
  /** Another status was written after the one that the workflow knows, and nothing is written now. */
  | { outcome: 'superseded'; row: RowReading }
  | { outcome: 'gone' };
