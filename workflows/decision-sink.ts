import { proxySinks, type Sinks } from '@temporalio/workflow';
import type { Effect } from './decide.ts';
import type { InstanceState } from './state.ts';

export interface Decision {
  state: InstanceState;
  effect: Effect;
}

/** Every worker of instance workflows has this sink. Whoever replays a history learns from the last call what the instance would do next. */
export interface DecisionSinks extends Sinks {
  decisions: { made(decision: Decision): void };
}

export const { decisions } = proxySinks<DecisionSinks>();
