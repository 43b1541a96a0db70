import type { InstanceState } from './state.ts';

/** What the row asks for. */
export type Wish = 'unknown' | 'running' | 'stopped' | 'gone';

/** How things stand. */
export type Condition =
  /** What runs, or may run, belongs to a row that is gone. */
  | 'obsolete'
  /** The wanted generation runs. */
  | 'current'
  /** Another generation runs: an older one, or a later one where a backup of the row was restored. */
  | 'outdated'
  /** Something may run, or may have been begun. */
  | 'uncertain'
  /** Nothing runs. */
  | 'clean'
  /** It cannot run, and something of the attempt may be left. */
  | 'failedUncertain'
  | 'failed'
  /** Nothing to run until the agent is published. */
  | 'awaitingAgentUncertain'
  | 'awaitingAgent'
  /** The agent ended; a pause before the next start. */
  | 'restarting'
  /** Something is left that could not be removed; a pause before the next try. */
  | 'stuck'
  /** The retirement of its agent asked for an end. */
  | 'drainedUncertain'
  | 'drained';

/** The next step. A step that records a status is over when the row says so; what is then left to do is to wait. */
export type Step =
  | 'wait'
  | 'provision'
  | 'cleanUp'
  | 'recordRunning'
  | 'recordPending'
  | 'recordFailed'
  | 'recordStopped'
  | 'recordFinal';

/** The whole life of an instance: for every condition and every wish, the one step that brings them closer. */
export const transitions: Readonly<Record<Condition, Readonly<Record<Wish, Step>>>> = {
  obsolete: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  current: { unknown: 'wait', running: 'recordRunning', stopped: 'cleanUp', gone: 'cleanUp' },
  outdated: { unknown: 'wait', running: 'provision', stopped: 'cleanUp', gone: 'cleanUp' },
  uncertain: { unknown: 'wait', running: 'provision', stopped: 'cleanUp', gone: 'cleanUp' },
  clean: { unknown: 'wait', running: 'provision', stopped: 'recordStopped', gone: 'recordFinal' },
  failedUncertain: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  failed: { unknown: 'wait', running: 'recordFailed', stopped: 'recordStopped', gone: 'recordFinal' },
  awaitingAgentUncertain: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  awaitingAgent: { unknown: 'wait', running: 'recordPending', stopped: 'recordStopped', gone: 'recordFinal' },
  restarting: { unknown: 'wait', running: 'recordPending', stopped: 'cleanUp', gone: 'cleanUp' },
  stuck: { unknown: 'wait', running: 'recordFailed', stopped: 'recordFailed', gone: 'wait' },
  drainedUncertain: { unknown: 'wait', running: 'cleanUp', stopped: 'cleanUp', gone: 'cleanUp' },
  drained: { unknown: 'wait', running: 'recordStopped', stopped: 'recordStopped', gone: 'recordFinal' },
};

export function wishOf({ wanted }: InstanceState): Wish {
  return wanted.kind === 'present' ? wanted.desiredState : wanted.kind;
}

export function conditionOf({ wanted, runtime, obstacle }: InstanceState): Condition {
  if (obstacle?.kind === 'stuck') return 'stuck';
  if (runtime.kind === 'obsolete') return 'obsolete';
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
    }
  }
  switch (runtime.kind) {
    case 'none':
      return 'clean';
    case 'unknown':
      return 'uncertain';
    case 'running':
      return wanted.kind === 'present' && runtime.generation !== wanted.generation ? 'outdated' : 'current';
  }
}
