import { decide } from '../../workflows/decide.ts';
import { evolve } from '../../workflows/evolve.ts';
import type { ForeseenEffect } from '../../workflows/gate/activities.ts';
import type { Decision } from '../../workflows/decision-sink.ts';
import type { RowState } from '../../workflows/messages.ts';
import type { InstanceEvent, InstanceState } from '../../workflows/state.ts';

export interface Foreseen {
  effect: ForeseenEffect;
  /** A sentence for people. */
  message: string;
}

/** More than lead from any state to a step on a host or to a wait. */
const mostSteps = 24;

/**
 * What an instance would do at its next workflow task after this decision: the first step that people would notice, if every reading agrees
 * with what the workflow knows and every step before succeeds. Undefined: it would go on waiting.
 */
export function foresee({ state: given, effect: first }: Decision, now = Date.now()): Foreseen | undefined {
  let state = given;
  let effect = first;
  let recorded: Foreseen | undefined;
  const apply = (event: InstanceEvent): void => {
    state = evolve(state, event, now);
  };
  for (let step = 0; step < mostSteps; step += 1) {
    switch (effect.type) {
      case 'wait':
        return recorded;
      case 'readRow':
        apply({ type: 'rowRead', row: rowOf(state) });
        break;
      case 'locate':
        apply({ type: 'located', ...placementOf(state) });
        break;
      case 'place':
        apply({ type: 'placingStarted' });
        apply({ type: 'placed', hostId: state.hostId ?? 'any' });
        break;
      case 'recordStatus': {
        const { type: _, ...status } = effect;
        const row = rowOf(state);
        recorded = {
          effect: 'record',
          message: `It would record the status ${status.status} of generation ${status.generation}.`,
        };
        if (!row) return recorded;
        apply({ type: 'statusRecorded', ...status, row });
        break;
      }
      case 'provision':
        return given.runtime.kind === 'none'
          ? { effect: 'start', message: `It would start an agent of generation ${effect.generation}.` }
          : { effect: 'restart', message: `It would start its agent again, as generation ${effect.generation}.` };
      case 'cleanUp':
        return { effect: 'stop', message: 'It would stop its agent and remove what was made for it.' };
      case 'recordFinalStatus':
      case 'complete':
        return { effect: 'end', message: 'It would end its workflow.' };
    }
    effect = decide(state);
  }
  return { effect: 'restart', message: `It would take more than ${mostSteps} steps without a wait.` };
}

function rowOf({ knownRow, recorded, sequence }: InstanceState): RowState | null {
  if (knownRow.kind !== 'present') return null;
  const { generation, desiredState } = knownRow;
  const { status, generation: observedGeneration, reason } = recorded;
  return { sequence, generation, desiredState, status, observedGeneration, ...(reason && { reason }) };
}

function placementOf({ hostId, lostHost }: InstanceState) {
  if (lostHost) return { outcome: 'hostLost' as const, ...lostHost };
  return hostId === undefined ? { outcome: 'none' as const } : { outcome: 'on' as const, hostId };
}
