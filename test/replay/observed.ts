/** Stands in for `decide` and `evolve` in a bundle that reports which cells of the table of transitions a history visits. */
import { proxySinks, type Sinks } from '@temporalio/workflow';
import { decide as decideReally, type Effect } from '../../workflows/decide.ts';
import { evolve as evolveReally } from '../../workflows/evolve.ts';
import type { InstanceEvent, InstanceState } from '../../workflows/state.ts';
import { conditionOf, desiredStateOf } from '../../workflows/transitions.ts';

export type { Effect };

export interface VisitSinks extends Sinks {
  visits: { decided(cell: string): void; evolved(type: string): void };
}

const { visits } = proxySinks<VisitSinks>();

export function decide(state: InstanceState): Effect {
  visits.decided(`${conditionOf(state)} × ${desiredStateOf(state)}`);
  return decideReally(state);
}

export function evolve(state: InstanceState, event: InstanceEvent, now: number): InstanceState {
  visits.evolved(event.type);
  return evolveReally(state, event, now);
}
