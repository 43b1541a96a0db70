import { evolve as evolveReally } from '../../workflows/evolve.ts';
import type { InstanceEvent, InstanceState } from '../../workflows/state.ts';

/** The state of workflows whose code counts the messages that it took from its inbox, over all runs. */
export interface CountingState extends InstanceState {
  messages?: number;
}

const messageTypes: ReadonlySet<InstanceEvent['type']> = new Set([
  'rowChanged',
  'rowDeleted',
  'checkRequested',
  'runtimeExited',
  'retryRequested',
  'agentPublished',
  'agentDrained',
]);

/** Stands in for `evolve` in a bundle; see `useCountingBundle`. */
export function evolve(state: CountingState, event: InstanceEvent, now: number): CountingState {
  const messages = (state.messages ?? 0) + (messageTypes.has(event.type) ? 1 : 0);
  return { ...evolveReally(state, event, now), messages };
}
