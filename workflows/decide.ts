import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { HostNotice, InstanceState } from './state.ts';
import { conditionOf, desiredStateOf, transitions } from './transitions.ts';

/** The next thing to do, one at a time. Its outcome comes back to `evolve` as an event. */
export type Effect =
  /** Finds a host for the instance, unless it has one. */
  | { type: 'place'; generation: number }
  /** Reads on which host the instance is placed. */
  | { type: 'locate' }
  /** `resume`: this generation ran before, so it may go on although its agent was retired since. */
  | { type: 'provision'; generation: number; resume: boolean; hostId: string }
  | { type: 'cleanUp'; hostId: string }
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
  const { doubt, placement } = state;
  if (doubt === 'contradicted') return { type: 'readRow' };
  if (placement === 'doubted') return { type: 'locate' };
  const effect = stepOf(state);
  // All other steps read or write the row, and so find out whether what was heard is true.
  const trustsWhatWasHeard = effect.type === 'cleanUp' || effect.type === 'locate' || effect.type === 'wait';
  return doubt === 'heard' && trustsWhatWasHeard ? { type: 'readRow' } : effect;
}

function stepOf(state: InstanceState): Effect {
  const { knownRow, runtime, obstacle, strayHosts } = state;
  const isClean = runtime.kind === 'none' && !strayHosts;
  if (knownRow.kind === 'gone' && knownRow.finalStatusRecorded && isClean) return { type: 'complete' };
  const generation = knownRow.kind === 'present' ? knownRow.generation : 0;
  switch (transitions[conditionOf(state)][desiredStateOf(state)]) {
    case 'wait':
      return restOf(state);
    case 'cleanUp':
      return cleanUpOf(state);
    case 'cleanUpStrays':
      return (runtime.kind === 'running' ? undefined : pendingFirst(state, generation)) ?? cleanUpOf(state);
    case 'leaveHost':
      return record(state, 'pending', generation, reasonOf('moving', state.moving)) ?? cleanUpOf(state);
    case 'provision':
      return pendingFirst(state, generation) ?? provisionOf(state, generation);
    case 'recordRunning':
      return record(state, 'running', runtime.kind === 'running' ? runtime.generation : generation) ?? wait;
    case 'recordPending':
      return (
        record(state, 'pending', generation, reasonOf('host_lost', state.lostHost) ?? obstacle?.reason) ?? restOf(state)
      );
    case 'recordFailed':
      return record(state, 'failed', generation, obstacle?.reason) ?? restOf(state);
    case 'recordStopped':
      return record(state, 'stopped', generation, obstacle?.kind === 'drained' ? obstacle.reason : undefined) ?? wait;
    case 'recordFinal':
      return { type: 'recordFinalStatus' };
  }
}

/** The row must not show an earlier status while something is about to start. A new row is `pending` from the start. */
function pendingFirst(state: InstanceState, generation: number): Effect | undefined {
  return state.recorded.status === 'pending' ? undefined : record(state, 'pending', generation);
}

function provisionOf({ placement, hostId, ranGeneration }: InstanceState, generation: number): Effect {
  if (placement !== 'read' || hostId === undefined) return { type: 'place', generation };
  return { type: 'provision', generation, resume: ranGeneration === generation, hostId };
}

/** Other hosts than that of the instance come first. */
function cleanUpOf({ placement, hostId, strayHosts = [] }: InstanceState): Effect {
  const next = strayHosts[0] ?? hostId;
  return placement === 'read' && next !== undefined ? { type: 'cleanUp', hostId: next } : { type: 'locate' };
}

function reasonOf(code: 'host_lost' | 'moving', notice: HostNotice | undefined): StatusReason | undefined {
  return notice && { code, message: notice.message };
}

/** A lost host outlasts every pause. */
function restOf({ obstacle, lostHost }: InstanceState): Effect {
  return obstacle && !lostHost && 'dueAt' in obstacle ? { type: 'wait', until: obstacle.dueAt } : wait;
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
