import type { StopReason } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';
import { wishOf } from './transitions.ts';

/** Why a clean-up stops the agent: for the agent itself, where it listens. */
export function stopReasonOf(state: InstanceState): StopReason {
  if (state.runtime.kind === 'obsolete') return 'deleted';
  switch (wishOf(state)) {
    case 'gone':
      return 'deleted';
    case 'stopped':
      return 'stopped';
    case 'running':
    case 'unknown':
      return state.obstacle?.kind === 'drained' ? 'agent_retired' : 'failed';
  }
}
