import type { InstanceStatus, StatusReason, StopReason } from '../contracts/names.ts';
import type { Cause, RowReading, RowState } from './messages.ts';
import type { RestartPolicy } from './restart-policy.ts';

/** The effects of the workflow. `activities/` implements them. */
export interface InstanceActivities {
  /**
   * Where the instance is placed: on the host that holds its agent, or may. A placement is made if there is none. Reads the row and the
   * agent itself.
   *
   * @throws ApplicationFailure whose type is a `ProvisioningFailureCode` when the instance cannot run
   */
  place(input: PlacementInput): Promise<PlaceResult>;
  /** The placement as it is. One on a host that may be replaced is removed first. */
  locate(input: PlacementInput): Promise<LocateResult>;
  /**
   * Starts the agent, or takes over one that runs. Reads the row and the agent itself, so that config enters no history.
   *
   * @throws ApplicationFailure whose type is a `ProvisioningFailureCode` when the instance cannot run
   */
  provision(input: ProvisionInput): Promise<ProvisionResult>;
  /** Stops the agent and removes everything that was created for the instance. */
  cleanUp(input: CleanUpInput): Promise<void>;
  /** The current row; null when there is none. */
  readRow(input: { instanceId: string }): Promise<RowState | null>;
  recordStatus(input: RecordStatusInput): Promise<RecordStatusResult>;
  recordFinalStatus(input: { instanceId: string; cause?: Cause }): Promise<RowReading | null>;
}

export interface PlacementInput {
  instanceId: string;
  /**
   * The host that the workflow is ready to leave. A placement on another host that may be replaced is only reported (`hostLost`): if it was
   * given up and the answer was lost, the workflow would wait for that host for good.
   */
  leavingHostId?: string;
}

export interface HostLostResult {
  outcome: 'hostLost';
  hostId: string;
  /** A sentence for people: which host gives no sign of life, and what follows. */
  message: string;
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

export type LocateResult =
  /** `leftHostId`: the placement was on this host, which may be replaced, and was removed now. */
  { outcome: 'none'; leftHostId?: string } | { outcome: 'on'; hostId: string } | HostLostResult;

/** The effects that the workers of a host carry out for the agents there. */
export type HostActivities = Pick<InstanceActivities, 'provision' | 'cleanUp'>;

export interface ProvisionInput {
  instanceId: string;
  /** The generation that ran before, and may therefore go on after its agent was retired; null when none may. */
  resumeGeneration: number | null;
  cause?: Cause;
}

export interface CleanUpInput {
  instanceId: string;
  /** The reason that an agent with a control queue is given. */
  reason?: StopReason;
  cause?: Cause;
}

export type ProvisionResult =
  | { outcome: 'provisioned'; row: RowReading; runtimeId: string; restart: RestartPolicy }
  | { outcome: 'agentMissing'; row: RowReading; message: string }
  | { outcome: 'notWanted'; row: RowReading }
  /** The instance is not placed on the host of the activity, which has started nothing. */
  | { outcome: 'misplaced' }
  | { outcome: 'gone' };

export interface RecordStatusInput {
  instanceId: string;
  status: InstanceStatus;
  generation: number;
  reason?: StatusReason;
  /** The sequence of the row that the workflow knows. Absent in the steps of earlier releases. */
  knownSequence?: number;
  cause?: Cause;
}

export type RecordStatusResult =
  | { outcome: 'recorded' | 'unchanged' | 'stale'; row: RowReading }
  /** Another status was written after the one that the workflow knows, and nothing is written now. */
  | { outcome: 'superseded'; row: RowReading }
  | { outcome: 'gone' };

export interface SweepActivities {
  sweep(): Promise<SweepResult>;
}

/** What a sweep compares on the task queue of a host. */
export interface HostSweepActivities {
  sweepHost(): Promise<HostSweepResult>;
}

/** Instances signalled by a sweep, by kind of drift. */
export interface SweepResult {
  /** The desired generation of the row was not observed for a while. */
  rowsNotObserved: number;
  /** A row has no running workflow: its workflow was never started, or was terminated. */
  rowsWithoutWorkflow: number;
  /** A workflow runs whose row is gone. */
  workflowsWithoutRow: number;
  /** An instance is placed on a host and has neither row nor workflow. */
  placementsWithoutOwner: number;
  /** A row says that its agent is not published, although it is published by now. */
  rowsAwaitingPublishedAgent: number;
  /** A row names a host, and its instance is placed nowhere, as after a backup was restored. */
  rowsWithoutPlacement: number;
  /** An instance may run although its agent was retired with a drain. */
  rowsOfDrainedAgent: number;
  /** An agent has a rollout that has not ended, and no workflow drives it. Absent in the answer of a worker from before there were rollouts. */
  rolloutsWithoutWorkflow?: number;
  /** The hosts that are there to be swept. Absent in the answer of a worker from before there were hosts. */
  hostIds?: string[];
}

export interface HostSweepResult {
  /** The host holds something of an instance that is placed elsewhere or nowhere. */
  strayAgents: number;
  /** A row says `running` of an instance of this host, and the host does not hold its agent. */
  rowsWithoutRuntime: number;
  /**
   * The host holds another generation than the row says, or holds an agent although the row says `stopped` or `failed`, or has said
   * `pending` for a while without a reason.
   */
  rowsUnlikeRuntime: number;
}
