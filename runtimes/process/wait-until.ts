import { setTimeout } from 'node:timers/promises';

interface WaitOptions {
  /** A time on the clock of `performance.now()`. */
  deadlineMs: number;
  signal: AbortSignal;
  intervalMs?: number;
}

/**
 * Polls the condition. Resolves to false when it is still false at the deadline.
 * @throws the reason of the signal when aborted
 */
export async function waitUntil(
  condition: () => boolean,
  { deadlineMs, signal, intervalMs = 10 }: WaitOptions,
): Promise<boolean> {
  while (!condition()) {
    signal.throwIfAborted();
    if (performance.now() >= deadlineMs) return false;
    await setTimeout(intervalMs);
  }
  return true;
}
