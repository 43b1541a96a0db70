import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { Cause, InstanceMessage, RowReading, RowState, RuntimeExited } from './messages.ts';

/** Everything that an instance's workflow knows. Plain data: it is passed on at continue-as-new. */
export interface InstanceState {
  /** The version of the row that `wanted` comes from; 0 before any. It goes back when a backup of the row is restored. */
  sequence: number;
  wanted: Wanted;
  /**
   * Why `wanted` may differ from the row. Absent once it was read from the row.
   * - `heard`: it comes from an event. Nothing is stopped or removed, and nobody goes to rest, before the row was read.
   * - `contradicted`: something that was heard or read does not fit. Nothing at all is done before the row was read.
   */
  doubt?: 'heard' | 'contradicted';
  runtime: RuntimeState;
  /** What keeps the current generation from running; a new generation clears it. */
  obstacle?: Obstacle;
  restarts: { count: number };
  /** What the row says of us, as far as known. */
  recorded: { status: InstanceStatus; generation: number; reason?: StatusReason };
  /** The latest event from the bus; absent until one came. */
  cause?: Cause;
  /** Exits that came before the end of the provisioning that they belong to. */
  earlyExits: RuntimeExited[];
  /** The agent was published while a provisioning was under way that may have found it missing. */
  publishedMeanwhile: boolean;
  /** The generation that has run: it may go on though its agent was retired since. */
  ranGeneration: number;
  lastRetryRequest?: string;
  /** How many messages were taken from the inbox, over all runs. */
  messages: number;
}

export type Wanted =
  | { kind: 'unknown' }
  | { kind: 'present'; generation: number; desiredState: RowReading['desiredState'] }
  | { kind: 'gone'; finalStatusRecorded: boolean };

export type RuntimeState =
  /** Something may be there: an earlier run, or a provisioning that was begun, may have left it. */
  | { kind: 'unknown' }
  /** Belongs to a row that is gone, also where another row of the same id has come: to be cleaned up first. */
  | { kind: 'obsolete' }
  | { kind: 'none' }
  | { kind: 'running'; generation: number; runtimeId: string; since: number; restart: RestartPolicy };

/** What is done when an agent ends that was not asked to. Times in milliseconds. */
export interface RestartPolicy {
  policy: 'never' | 'on_failure' | 'always';
  /** In a row; an agent that ran for `resetAfterMs` begins a new row. */
  maxRestarts: number;
  /** Before the first restart; doubled for each further one, up to `maxBackoffMs`. */
  backoffMs: number;
  maxBackoffMs: number;
  resetAfterMs: number;
}

export type Obstacle = { generation: number; reason: StatusReason } & (
  | { kind: 'failed' }
  /** Provisioning found no such agent: its publication is awaited. */
  | { kind: 'awaitingAgent' }
  | { kind: 'restarting'; dueAt: number }
  /** Its agent was retired and asked for this. */
  | { kind: 'drained' }
  /** Clean-up did not succeed in time. `hides` is what still holds once it does. */
  | { kind: 'stuck'; dueAt: number; hides?: Obstacle }
);

/** What happened: messages from outside, and how the workflow's own effects ended. */
export type InstanceEvent =
  | InstanceMessage
  | { type: 'provisioningStarted' }
  | { type: 'provisioned'; row: RowReading; runtimeId: string; restart: RestartPolicy }
  /** Provisioning found that the row, by now, wants no agent to run. */
  | { type: 'notWanted'; row: RowReading }
  | { type: 'agentMissing'; row: RowReading; message: string }
  | { type: 'provisioningFailed'; generation: number; reason: StatusReason }
  | { type: 'rowGone' }
  /** The row was read to settle a doubt; null when there is none. It overrules everything that was heard. */
  | { type: 'rowRead'; row: RowState | null }
  /** Runs from before the row was read take what they heard for true (docs/replay.md). */
  | { type: 'rowNotRead' }
  | { type: 'rowDeletedUnread'; sequence: number; cause: Cause }
  | { type: 'cleanedUp' }
  | { type: 'cleanUpFailed'; message: string }
  /** The time of an obstacle that has one. */
  | { type: 'pauseOver' }
  | { type: 'statusRecorded'; status: InstanceStatus; generation: number; reason?: StatusReason; row: RowReading }
  /** The row is there when another one of the same id has come meanwhile. */
  | { type: 'finalStatusRecorded'; row?: RowReading };

export const initialState: InstanceState = {
  sequence: 0,
  wanted: { kind: 'unknown' },
  runtime: { kind: 'unknown' },
  restarts: { count: 0 },
  recorded: { status: 'pending', generation: 0 },
  earlyExits: [],
  publishedMeanwhile: false,
  ranGeneration: 0,
  messages: 0,
};
