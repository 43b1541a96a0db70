import type { InstanceState } from './state.ts';

/** The row is read before any other step. */
export function contradicted(state: InstanceState): InstanceState {
  return { ...state, doubt: 'contradicted' };
}

export function settled(state: InstanceState): InstanceState {
  const { doubt: _, ...rest } = state;
  return rest;
}

/** Forgets whether an agent runs. Provisioning then takes over an agent that does. */
export function doubted(state: InstanceState): InstanceState {
  const { runtime } = state;
  return runtime.kind === 'running' || runtime.kind === 'none' ? { ...state, runtime: { kind: 'unknown' } } : state;
}

/** The placement is read before any other step. */
export function placementDoubted(state: InstanceState): InstanceState {
  return { ...state, placement: 'doubted' };
}
