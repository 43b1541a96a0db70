import type { DesiredState, InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { Cause, InstanceMessage, RowReading, RowState, RuntimeExited } from './messages.ts';
import type { RestartPolicy } from './restart-policy.ts';

/** Everything that the workflow of an instance knows. Plain data: `handed-on-state.ts` says how a run hands it on. */
export interface InstanceState {
  /** The version of the row that `knownRow` comes from; 0 before any. It goes back when a backup of the row is restored. */
  sequence: number;
  knownRow: KnownRow;
  /**
   * Why `knownRow` may differ from the row. Absent after the row was read.
   * - `heard`: it comes from an event. The row is read before anything is stopped or removed, and before the workflow waits.
   * - `contradicted`: something that was heard or read does not fit. The row is read before any other step.
   */
  doubt?: 'heard' | 'contradicted';
  runtime: RuntimeState;
  /** What keeps the desired generation from running. A new generation clears it. */
  obstacle?: Obstacle;
  /** Restarts in a row; see `restart-policy.ts`. */
  restarts: { count: number };
  /** The status that the row holds, as far as the workflow knows. */
  recorded: { status: InstanceStatus; generation: number; reason?: StatusReason };
  /** The latest event from the bus; absent before the first. */
  cause?: Cause;
  /** Exits that came while provisioning was under way, which may have started the agents that exited. */
  earlyExits: RuntimeExited[];
  /** The agent was published while a provisioning was under way that may have found it missing. */
  publishedMeanwhile: boolean;
  /** The generation that ran last. It may go on after its agent was retired. */
  ranGeneration: number;
  lastRetryRequest?: string;
  /** The host on which the instance is placed, as far as the workflow knows. It holds the agent, or may. */
  hostId?: string;
  /**
   * Whether `hostId` is what the placement says now.
   * - absent: the placement is read before the next step on a host
   * - `doubted`: somebody said that it changed, so it is read before any other step
   * - `read`: it was read for the next step
   */
  placement?: 'doubted' | 'read';
  /** Further hosts that may hold an agent of the instance. They are cleaned up before anything is started. */
  strayHosts?: string[];
  /** The host of the instance gives no sign of life. */
  lostHost?: HostNotice;
  /** The instance is to move away from this host. */
  moving?: HostNotice;
  /**
   * The host of the instance holds nothing any more once the placement no longer names it: its clean-up was begun, or it was lost or
   * given up. Otherwise a placement that names another host comes from a restored backup.
   */
  leaving?: true;
  /** Tries in a row that found no host for the instance. */
  placingTries?: number;
}

export interface HostNotice {
  hostId: string;
  /** A sentence for people. */
  message: string;
}

export interface HostLostResult {
  outcome: 'hostLost';
  hostId: string;
  /** A sentence for people: which host gives no sign of life, and what follows. */
  message: string;
}

/** Where an instance is placed. */
export type LocateResult =
  /** `leftHostId`: the placement was on this host, which may be replaced, and was removed now. */
  { outcome: 'none'; leftHostId?: string } | { outcome: 'on'; hostId: string } | HostLostResult;

/** The row, as far as the workflow knows it. */
export type KnownRow =
  /** No event of the row has come yet. */
  | { kind: 'unknown' }
  | { kind: 'present'; generation: number; desiredState: DesiredState }
  /** The row was deleted. */
  | { kind: 'gone'; finalStatusRecorded: boolean };

export type RuntimeState =
  /** An agent may run: an earlier run of the workflow, or an unfinished provisioning, may have started it. */
  | { kind: 'unknown' }
  /** The agent belongs to a deleted row, and is cleaned up even if another row of the same id has come. */
  | { kind: 'obsolete' }
  | { kind: 'none' }
  /** `since` is in milliseconds. */
  | { kind: 'running'; generation: number; runtimeId: string; since: number; restart: RestartPolicy };

/** `dueAt` is the time, in milliseconds, at which the pause of the obstacle ends. */
export type Obstacle = { generation: number; reason: StatusReason } & (
  | { kind: 'failed' }
  /** Provisioning did not find the agent. The workflow waits until the agent is published. */
  | { kind: 'awaitingAgent' }
  | { kind: 'restarting'; dueAt: number }
  /** No host can take the instance. Placing it is tried again. */
  | { kind: 'unplaced'; dueAt: number }
  /** The agent was retired, and its retirement asked running instances to end. */
  | { kind: 'drained' }
  /** Clean-up did not succeed in time. The obstacle in `hides` holds again after a clean-up that succeeds. */
  | { kind: 'stuck'; dueAt: number; hides?: Obstacle }
);

/** What happened: messages from outside, and how the workflow's own effects ended. */
export type InstanceEvent =
  | InstanceMessage
  | { type: 'placingStarted' }
  | { type: 'placed'; hostId: string; leftHostId?: string }
  | { type: 'noHost'; row: RowReading; message: string }
  | ({ type: 'located' } & LocateResult)
  | { type: 'provisioningStarted' }
  /** `where`: where the agent runs, for a person. An earlier build left it out. */
  | { type: 'provisioned'; row: RowReading; runtimeId: string; where?: string; restart: RestartPolicy; hostId: string }
  /** Provisioning found that the desired state of the row is `stopped` by now. */
  | { type: 'notWanted'; row: RowReading }
  | { type: 'agentMissing'; row: RowReading; message: string }
  | { type: 'provisioningFailed'; generation: number; reason: StatusReason }
  | { type: 'rowGone' }
  /** The row was read to settle a doubt; null when there is none. It overrules everything that was heard. */
  | { type: 'rowRead'; row: RowState | null }
  | { type: 'cleanUpStarted'; hostId: string }
  | { type: 'cleanedUp'; hostId: string }
  | { type: 'cleanUpFailed'; message: string; hostId: string }
  /** A step on a host was cancelled, or ended through no fault of the instance. It may have done its work. */
  | { type: 'stepEnded' }
  /** The pause of the obstacle is over. */
  | { type: 'pauseOver' }
  | { type: 'statusRecorded'; status: InstanceStatus; generation: number; reason?: StatusReason; row: RowReading }
  /** The row holds another status than the one that the workflow knows, and was not changed. */
  | { type: 'statusSuperseded' }
  /** There is a row when another one of the same id has come meanwhile. */
  | { type: 'finalStatusRecorded'; row?: RowReading };

export const initialState: InstanceState = {
  sequence: 0,
  knownRow: { kind: 'unknown' },
  runtime: { kind: 'unknown' },
  restarts: { count: 0 },
  recorded: { status: 'pending', generation: 0 },
  earlyExits: [],
  publishedMeanwhile: false,
  ranGeneration: 0,
};
