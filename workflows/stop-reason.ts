import type { StopReason } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';
import { desiredStateOf } from './transitions.ts';

/** The reason for a clean-up. An agent with a control queue is told it. */
export function stopReasonOf(state: InstanceState): StopReason {
  if (state.runtime.kind === 'obsolete') return 'deleted';
  switch (desiredStateOf(state)) {
    case 'gone':
      return 'deleted';
    case 'stopped':
      return 'stopped';
    case 'running':
    case 'unknown':
      return state.obstacle?.kind === 'drained' ? 'agent_retired' : 'failed';
  }
}
