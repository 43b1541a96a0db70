import { stopLimits } from '../../bridge/time-limits.ts';
import { within } from '../../bridge/within.ts';

/** Waits until all are closed, but not for a server that does not answer. */
export async function closeAll(closing: readonly Promise<unknown>[]): Promise<void> {
  await within(stopLimits.closeMs, Promise.all(closing));
}
