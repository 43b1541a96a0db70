import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { Cause, InstanceMessage, RowReading, RuntimeExited } from './messages.ts';

/** Everything that an instance's workflow knows. Plain data: it is passed on at continue-as-new. */
export interface InstanceState {
  /** The highest version of the row that was seen; 0 before any. */
  sequence: number;
  wanted: Wanted;
  runtime: RuntimeState;
  /** Why the current generation cannot run; a new generation clears it. */
  failure?: { generation: number; reason: StatusReason };
  /** What the row says of us, as far as known. */
  recorded: { status: InstanceStatus; generation: number; reason?: StatusReason };
  /** The latest event from the bus; absent until one came. */
  cause?: Cause;
  /** Exits that came before the end of the provisioning that they belong to. */
  earlyExits: RuntimeExited[];
}

type Wanted =
  | { kind: 'unknown' }
  | { kind: 'present'; generation: number; desiredState: RowReading['desiredState'] }
  | { kind: 'gone'; finalStatusRecorded: boolean };

type RuntimeState =
  /** Something may be there: an earlier run, or a provisioning that was begun, may have left it. */
  | { kind: 'unknown' }
  /** Belongs to a row that is gone, also where another row of the same id has come: to be cleaned up first. */
  | { kind: 'obsolete' }
  | { kind: 'none' }
  | { kind: 'running'; generation: number; runtimeId: string };

/** What happened: messages from outside, and how the workflow's own effects ended. */
export type InstanceEvent =
  | InstanceMessage
  | { type: 'provisioningStarted' }
  | { type: 'provisioned'; row: RowReading; runtimeId: string }
  /** Provisioning found that the row, by now, wants no agent to run. */
  | { type: 'notWanted'; row: RowReading }
  | { type: 'provisioningFailed'; generation: number; reason: StatusReason }
  | { type: 'rowGone' }
  | { type: 'cleanedUp' }
  | { type: 'statusRecorded'; status: InstanceStatus; generation: number; reason?: StatusReason; row: RowReading }
  /** The row is there when another one of the same id has come meanwhile. */
  | { type: 'finalStatusRecorded'; row?: RowReading };

export const initialState: InstanceState = {
  sequence: 0,
  wanted: { kind: 'unknown' },
  runtime: { kind: 'unknown' },
  recorded: { status: 'pending', generation: 0 },
  earlyExits: [],
};

const earlyExitsKept = 8;

/** Folds one event into the state. Stale and repeated events leave it as it is. */
export function evolve(state: InstanceState, event: InstanceEvent): InstanceState {
  switch (event.type) {
    case 'rowChanged':
      return event.sequence > state.sequence ? { ...observe(state, event), cause: event.cause } : state;
    case 'rowDeleted':
      return event.sequence > state.sequence ? { ...gone(state, event.sequence), cause: event.cause } : state;
    case 'rowGone':
      return gone(state, state.sequence);
    case 'runtimeExited':
      return exited(state, event);
    case 'provisioningStarted':
      return { ...state, runtime: { kind: 'unknown' } };
    case 'provisioned': {
      // The row was deleted meanwhile, and may have come again: whose agent this is, nobody can tell.
      if (state.runtime.kind === 'obsolete') return observe(state, event.row);
      const { generation } = event.row;
      const provisioned = observe(
        { ...state, runtime: { kind: 'running', generation, runtimeId: event.runtimeId } },
        event.row,
      );
      return state.earlyExits.reduce(exited, { ...provisioned, earlyExits: [] });
    }
    case 'notWanted':
      return observe(state, event.row);
    case 'provisioningFailed':
      return failed(state, event.generation, event.reason);
    case 'cleanedUp':
      return { ...state, runtime: { kind: 'none' }, earlyExits: [] };
    case 'statusRecorded': {
      const { status, generation, reason, row } = event;
      return observe({ ...state, recorded: { status, generation, ...(reason && { reason }) } }, row);
    }
    case 'finalStatusRecorded':
      if (event.row) return observe(state, event.row);
      return { ...state, wanted: { kind: 'gone', finalStatusRecorded: true } };
  }
}

function observe(state: InstanceState, row: RowReading): InstanceState {
  if (row.sequence < state.sequence) return state;
  const { failure, ...rest } = state;
  const { sequence, generation, desiredState } = row;
  return {
    ...rest,
    sequence,
    wanted: { kind: 'present', generation, desiredState },
    ...(failure && failure.generation >= generation && { failure }),
  };
}

function gone(state: InstanceState, sequence: number): InstanceState {
  const { failure: _, runtime, ...rest } = state;
  return {
    ...rest,
    sequence,
    wanted: { kind: 'gone', finalStatusRecorded: false },
    runtime: runtime.kind === 'none' ? runtime : { kind: 'obsolete' },
    recorded: initialState.recorded,
  };
}

function exited(state: InstanceState, event: RuntimeExited): InstanceState {
  const { runtime, earlyExits } = state;
  if (runtime.kind === 'unknown') {
    const known = earlyExits.some(({ runtimeId }) => runtimeId === event.runtimeId);
    return known ? state : { ...state, earlyExits: [...earlyExits, event].slice(-earlyExitsKept) };
  }
  if (runtime.kind !== 'running' || runtime.runtimeId !== event.runtimeId) return state;
  const down: InstanceState = { ...state, runtime: { kind: 'unknown' } };
  if (event.kind === 'lost') return down;
  return failed(down, runtime.generation, { code: 'agent_exited', message: event.message });
}

/** A failure of a generation that is no longer wanted says nothing about the one that is. */
function failed(state: InstanceState, generation: number, reason: StatusReason): InstanceState {
  if (state.wanted.kind !== 'present' || state.wanted.generation > generation) return state;
  return { ...state, failure: { generation, reason } };
}
