import { stepEnded } from './placement.ts';
import type { InstanceState, KnownRow } from './state.ts';

/**
 * The state as one run hands it on to the next at continue-as-new. Releases before and after this one read it, as workflows stay
 * open during an upgrade, and when an upgrade is taken back. It therefore keeps the names of the first release, which called
 * the known row `wanted`. Fields of the state that this release does not know are handed on as they are.
 */
export type HandedOnState = Omit<InstanceState, 'knownRow'> & { wanted: KnownRow };

export function handOn({ knownRow, ...rest }: InstanceState): HandedOnState {
  return { ...rest, wanted: knownRow };
}

export function takeOver({ wanted, ...rest }: HandedOnState): InstanceState {
  return stepEnded({ ...rest, knownRow: wanted });
}
