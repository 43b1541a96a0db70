import type { StepEffect } from './activities.ts';
import type { InstanceEvent } from './state.ts';

/** What changes when a step begins, however it ends. Undefined: nothing. */
export function beginningOf(effect: StepEffect): InstanceEvent | undefined {
  switch (effect.type) {
    case 'place':
      return { type: 'placingStarted' };
    case 'provision':
      return { type: 'provisioningStarted' };
    case 'cleanUp':
      return { type: 'cleanUpStarted', hostId: effect.hostId };
    case 'readRow':
    case 'locate':
    case 'recordStatus':
    case 'recordFinalStatus':
      return undefined;
  }
}

export function isBeginning({ type }: InstanceEvent): boolean {
  return type === 'placingStarted' || type === 'provisioningStarted' || type === 'cleanUpStarted';
}
