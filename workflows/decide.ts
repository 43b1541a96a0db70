import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';
import { conditionOf, transitions, wishOf } from './transitions.ts';

/** What is to be done next. One at a time; how it ended comes back as an event. */
export type Effect =
  /** `resume`: this generation has run before, so it goes on though its agent was retired since. */
  | { type: 'provision'; generation: number; resume: boolean }
  | { type: 'cleanUp' }
  /** Settles the doubt of the state. */
  | { type: 'readRow' }
  | { type: 'recordStatus'; status: InstanceStatus; generation: number; reason?: StatusReason }
  /** Appends the last `instance.updated`, with `stopped`, of an instance whose row is gone. */
  | { type: 'recordFinalStatus' }
  /** Nothing to do until the next message, or until the pause of an obstacle is over (milliseconds). */
  | { type: 'wait'; until?: number }
  /** The row is gone and nothing is left of the instance. */
  | { type: 'complete' };

const wait: Effect = { type: 'wait' };

/** The next step by the table of transitions, unless the row has to be read before. */
export function decide(state: InstanceState): Effect {
  const { doubt } = state;
  if (doubt === 'contradicted') return { type: 'readRow' };
  const effect = stepOf(state);
  // All other steps read the row themselves.
  const trustsWhatWasHeard = effect.type === 'cleanUp' || effect.type === 'wait';
  return doubt === 'heard' && trustsWhatWasHeard ? { type: 'readRow' } : effect;
}

function stepOf(state: InstanceState): Effect {
  const { wanted, runtime, obstacle } = state;
  if (wanted.kind === 'gone' && wanted.finalStatusRecorded && runtime.kind === 'none') return { type: 'complete' };
  const generation = wanted.kind === 'present' ? wanted.generation : 0;
  switch (transitions[conditionOf(state)][wishOf(state)]) {
    case 'wait':
      return restOf(state);
    case 'cleanUp':
      return { type: 'cleanUp' };
    case 'provision':
      // A row that says something else must not go on saying it while work is under way; a new one says `pending`.
      if (state.recorded.status !== 'pending') return record(state, 'pending', generation) ?? wait;
      return { type: 'provision', generation, resume: state.ranGeneration === generation };
    case 'recordRunning':
      return record(state, 'running', runtime.kind === 'running' ? runtime.generation : generation) ?? wait;
    case 'recordPending':
      return record(state, 'pending', generation, obstacle?.reason) ?? restOf(state);
    case 'recordFailed':
      return record(state, 'failed', generation, obstacle?.reason) ?? restOf(state);
    case 'recordStopped':
      return record(state, 'stopped', generation, obstacle?.kind === 'drained' ? obstacle.reason : undefined) ?? wait;
    case 'recordFinal':
      return { type: 'recordFinalStatus' };
  }
}

function restOf({ obstacle }: InstanceState): Effect {
  return obstacle && 'dueAt' in obstacle ? { type: 'wait', until: obstacle.dueAt } : wait;
}

/** Undefined when the row says so already, as far as known. */
function record(
  { recorded }: InstanceState,
  status: InstanceStatus,
  generation: number,
  reason?: StatusReason,
): Effect | undefined {
  const same =
    recorded.status === status &&
    recorded.generation === generation &&
    recorded.reason?.code === reason?.code &&
    recorded.reason?.message === reason?.message;
  return same ? undefined : { type: 'recordStatus', status, generation, ...(reason && { reason }) };
}
