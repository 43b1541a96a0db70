import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a promise that may never settle, at most for the limit. The timer does not keep the process alive. */
export async function within<T>(limitMs: number, awaited: Promise<T>): Promise<T | 'too late'> {
  const done = new AbortController();
  try {
    return await Promise.race([awaited, delay(limitMs, 'too late' as const, { signal: done.signal, ref: false })]);
  } finally {
    done.abort();
  }
}
