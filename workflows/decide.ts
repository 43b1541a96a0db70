import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';

/** What is to be done next. One at a time; how it ended comes back as an event. */
export type Effect =
  | { type: 'provision'; generation: number }
  | { type: 'cleanUp' }
  | { type: 'recordStatus'; status: InstanceStatus; generation: number; reason?: StatusReason }
  /** Appends the last `instance.updated`, with `stopped`, of an instance whose row is gone. */
  | { type: 'recordFinalStatus' }
  /** Nothing to do until the next message. */
  | { type: 'wait' }
  /** The row is gone and nothing is left of the instance. */
  | { type: 'complete' };

const wait: Effect = { type: 'wait' };

/** Compares what is wanted with what is, and names the one step that brings them closer. */
export function decide(state: InstanceState): Effect {
  const { wanted, runtime, failure } = state;
  switch (wanted.kind) {
    case 'unknown':
      return wait;
    case 'gone':
      if (runtime.kind !== 'none') return { type: 'cleanUp' };
      return wanted.finalStatusRecorded ? { type: 'complete' } : { type: 'recordFinalStatus' };
    case 'present': {
      const { generation, desiredState } = wanted;
      switch (desiredState) {
        case 'stopped':
          if (runtime.kind !== 'none') return { type: 'cleanUp' };
          return record(state, 'stopped', generation) ?? wait;
        case 'running':
          if (runtime.kind === 'obsolete') return { type: 'cleanUp' };
          if (failure) {
            if (runtime.kind !== 'none') return { type: 'cleanUp' };
            return record(state, 'failed', generation, failure.reason) ?? wait;
          }
          if (runtime.kind === 'running' && runtime.generation >= generation) {
            return record(state, 'running', runtime.generation) ?? wait;
          }
          return pending(state, generation) ?? { type: 'provision', generation };
      }
    }
  }
}

/** A fresh row says `pending` already; one that said something else must not go on saying it while work is under way. */
function pending(state: InstanceState, generation: number): Effect | undefined {
  return state.recorded.status === 'pending' ? undefined : record(state, 'pending', generation);
}

function record(
  { recorded }: InstanceState,
  status: InstanceStatus,
  generation: number,
  reason?: StatusReason,
): Effect | undefined {
  const { reason: known } = recorded;
  const same =
    recorded.status === status &&
    recorded.generation === generation &&
    known?.code === reason?.code &&
    known?.message === reason?.message;
  return same ? undefined : { type: 'recordStatus', status, generation, ...(reason && { reason }) };
}
