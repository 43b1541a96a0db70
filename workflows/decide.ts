import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';
import { conditionOf, desiredStateOf, transitions } from './transitions.ts';

/** The next thing to do, one at a time. Its outcome comes back to `evolve` as an event. */
export type Effect =
  /** `resume`: this generation ran before, so it may go on although its agent was retired since. */
  | { type: 'provision'; generation: number; resume: boolean }
  | { type: 'cleanUp' }
  /** Settles the state's doubt. */
  | { type: 'readRow' }
  | { type: 'recordStatus'; status: InstanceStatus; generation: number; reason?: StatusReason }
  /** Appends the last `instance.updated`, with the status `stopped`, for an instance whose row is gone. */
  | { type: 'recordFinalStatus' }
  /** Nothing is left to do until the next message, or until the pause of the obstacle ends at `until` (milliseconds). */
  | { type: 'wait'; until?: number }
  /** The row is gone and nothing is left of the instance. */
  | { type: 'complete' };

const wait: Effect = { type: 'wait' };

/** Looks up the next step in the table of transitions. Where the state is in doubt, the row is read first. */
export function decide(state: InstanceState): Effect {
  const { doubt } = state;
  if (doubt === 'contradicted') return { type: 'readRow' };
  const effect = stepOf(state);
  // All other steps read or write the row, and so find out whether what was heard is true.
  const trustsWhatWasHeard = effect.type === 'cleanUp' || effect.type === 'wait';
  return doubt === 'heard' && trustsWhatWasHeard ? { type: 'readRow' } : effect;
}

function stepOf(state: InstanceState): Effect {
  const { knownRow, runtime, obstacle } = state;
  if (knownRow.kind === 'gone' && knownRow.finalStatusRecorded && runtime.kind === 'none') return { type: 'complete' };
  const generation = knownRow.kind === 'present' ? knownRow.generation : 0;
  switch (transitions[conditionOf(state)][desiredStateOf(state)]) {
    case 'wait':
      return restOf(state);
    case 'cleanUp':
      return { type: 'cleanUp' };
    case 'provision':
      // The row must not show an earlier status while provisioning is under way. A new row is `pending` from the start.
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

/** Undefined when the row holds this status already, as far as the workflow knows. */
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
