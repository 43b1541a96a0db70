import { stopLimits } from '../../supervision/time-limits.ts';
import { within } from '../../supervision/within.ts';

/** Waits until all connections are closed, up to a limit for servers that do not answer. */
export async function closeAll(closing: readonly Promise<unknown>[]): Promise<void> {
  await within(stopLimits.closeMs, Promise.all(closing));
}
