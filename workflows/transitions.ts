import type { DesiredState } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';

/** The desired state, or why there is none: no event of the row has come yet (`unknown`), or the row was deleted (`gone`). */
export type KnownDesiredState = 'unknown' | DesiredState | 'gone';

/** What runs, and what keeps the desired generation from running. */
export type Condition =
  /** The host of the instance gives no sign of life: whether an agent runs is not known. */
  | 'hostLost'
  /** Another host than that of the instance may hold an agent of it. */
  | 'astray'
  /** The agent that runs, or may run, belongs to a deleted row. */
  | 'obsolete'
  /** The desired generation runs. */
  | 'current'
  /** Another generation runs: an older one, or a later one after a backup of the row was restored. */
  | 'outdated'
  /** An agent may run, or may have been started. */
  | 'uncertain'
  /** No agent runs. */
  | 'clean'
  /** The desired generation cannot run, and the attempt may have left an agent. */
  | 'failedUncertain'
  /** The desired generation cannot run, and nothing is left of the attempt. */
  | 'failed'
  /** The agent is not published yet, and the attempt may have left something. */
  | 'awaitingAgentUncertain'
  /** The agent is not published yet, and nothing is left of the attempt. */
  | 'awaitingAgent'
  /** An agent runs, or may run, on a host that is drained. */
  | 'moving'
  /** No host can take the instance, and placing it is tried again after a pause. */
  | 'unplaced'
  /** The agent ended, and is started again after a pause. */
  | 'restarting'
  /** Clean-up did not succeed, and is tried again after a pause. */
  | 'stuck'
  /** The agent was retired with a drain, and may still run. */
  | 'drainedUncertain'
  /** The agent was retired with a drain, and does not run any more. */
  | 'drained';

/** The next step. A step that records a status is followed by a wait once the row holds that status. */
export type Step =
  | 'wait'
  | 'provision'
  | 'cleanUp'
  /** Cleans up the hosts that are not that of the instance. */
  | 'cleanUpStrays'
  /** Cleans up the host, so that the instance can be placed on another one. */
  | 'leaveHost'
  | 'recordRunning'
  | 'recordPending'
  | 'recordFailed'
  | 'recordStopped'
  | 'recordFinal';

/**
 * The whole life of an instance: for every condition and every desired state, the one step that brings the instance closer to its
 * desired state.
 */
export const transitions: Readonly<Record<Condition, Readonly<Record<KnownDesiredState, Step>>>> = {
  hostLost: { unknown: 'wait', running: 'recordPending', stopped: 'recordPending', gone: 'wait' },
  astray: { unknown: 'wait', running: 'cleanUpStrays', stopped: 'cleanUp', gone: 'cleanUp' },
  obsolete: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  current: { unknown: 'wait', running: 'recordRunning', stopped: 'cleanUp', gone: 'cleanUp' },
  outdated: { unknown: 'wait', running: 'provision', stopped: 'cleanUp', gone: 'cleanUp' },
  uncertain: { unknown: 'wait', running: 'provision', stopped: 'cleanUp', gone: 'cleanUp' },
  clean: { unknown: 'wait', running: 'provision', stopped: 'recordStopped', gone: 'recordFinal' },
  failedUncertain: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  failed: { unknown: 'wait', running: 'recordFailed', stopped: 'recordStopped', gone: 'recordFinal' },
  awaitingAgentUncertain: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  awaitingAgent: { unknown: 'wait', running: 'recordPending', stopped: 'recordStopped', gone: 'recordFinal' },
  moving: { unknown: 'wait', running: 'leaveHost', stopped: 'cleanUp', gone: 'cleanUp' },
  unplaced: { unknown: 'wait', running: 'recordPending', stopped: 'cleanUp', gone: 'cleanUp' },
  restarting: { unknown: 'wait', running: 'recordPending', stopped: 'cleanUp', gone: 'cleanUp' },
  stuck: { unknown: 'wait', running: 'recordFailed', stopped: 'recordFailed', gone: 'wait' },
  drainedUncertain: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  drained: { unknown: 'wait', running: 'recordStopped', stopped: 'recordStopped', gone: 'recordFinal' },
};

export function desiredStateOf({ knownRow }: InstanceState): KnownDesiredState {
  return knownRow.kind === 'present' ? knownRow.desiredState : knownRow.kind;
}

export function conditionOf(state: InstanceState): Condition {
  const { knownRow, runtime, obstacle, lostHost, strayHosts } = state;
  if (lostHost) return 'hostLost';
  if (obstacle?.kind === 'stuck') return 'stuck';
  if (strayHosts) return 'astray';
  if (runtime.kind === 'obsolete') return 'obsolete';
  if (isMoving(state)) return 'moving';
  if (obstacle) {
    const clean = runtime.kind === 'none';
    switch (obstacle.kind) {
      case 'failed':
        return clean ? 'failed' : 'failedUncertain';
      case 'awaitingAgent':
        return clean ? 'awaitingAgent' : 'awaitingAgentUncertain';
      case 'drained':
        return clean ? 'drained' : 'drainedUncertain';
      case 'restarting':
        return 'restarting';
      case 'unplaced':
        return 'unplaced';
    }
  }
  switch (runtime.kind) {
    case 'none':
      return 'clean';
    case 'unknown':
      return 'uncertain';
    case 'running':
      return knownRow.kind === 'present' && runtime.generation !== knownRow.generation ? 'outdated' : 'current';
  }
}

/** A generation that cannot run leaves its host anyway. */
function isMoving({ knownRow, runtime, obstacle, moving, hostId }: InstanceState): boolean {
  const mayRun = runtime.kind === 'running' || runtime.kind === 'unknown';
  const isRunDesired = knownRow.kind === 'present' && knownRow.desiredState === 'running';
  return (
    moving !== undefined &&
    moving.hostId === hostId &&
    mayRun &&
    isRunDesired &&
    (!obstacle || obstacle.kind === 'restarting')
  );
}
