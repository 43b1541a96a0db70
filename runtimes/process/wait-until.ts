import { setTimeout } from 'node:timers/promises';

interface WaitOptions {
  /** On the clock of `performance.now()`. */
  deadlineMs: number;
  signal: AbortSignal;
  intervalMs?: number;
}

/**
 * Resolves to whether the condition came true before the deadline.
 * @throws the signal's reason when aborted
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
