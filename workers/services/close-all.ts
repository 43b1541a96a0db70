import { stopLimits } from '../../supervision/time-limits.ts';
import { within } from '../../supervision/within.ts';

/** Waits until all are closed, but not for a server that does not answer. */
export async function closeAll(closing: readonly Promise<unknown>[]): Promise<void> {
  await within(stopLimits.closeMs, Promise.all(closing));
}
