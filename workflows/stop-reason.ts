import type { StopReason } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';
import { conditionOf, desiredStateOf } from './transitions.ts';

/** The reason for a clean-up. An agent with a control queue is told it. */
export function stopReasonOf(state: InstanceState): StopReason {
  if (state.runtime.kind === 'obsolete') return 'deleted';
  switch (desiredStateOf(state)) {
    case 'gone':
      return 'deleted';
    case 'stopped':
      return 'stopped';
    case 'running':
    case 'unknown': {
      const condition = conditionOf(state);
      if (condition === 'moving' || condition === 'astray') return 'replaced';
      return state.obstacle?.kind === 'drained' ? 'agent_retired' : 'failed';
    }
  }
}
