import { setTimeout as delay } from 'node:timers/promises';

/** Waits for what may never come. A wait that was given up keeps no process alive. */
export async function within<T>(limitMs: number, awaited: Promise<T>): Promise<T | 'too late'> {
  const done = new AbortController();
  try {
    return await Promise.race([awaited, delay(limitMs, 'too late' as const, { signal: done.signal, ref: false })]);
  } finally {
    done.abort();
  }
}
