import { setImmediate, setTimeout as delay } from 'node:timers/promises';

/** Waits for a promise that may never settle, at most for the limit. The timer does not keep the process alive. */
export async function within<T>(limitMs: number, awaited: Promise<T>): Promise<T | 'too late'> {
  const done = new AbortController();
  const limit = async (): Promise<'too late'> => {
    await delay(limitMs, undefined, { signal: done.signal, ref: false });
    // A process that was kept from running finds its timers over before it reads what has arrived in time.
    return setImmediate('too late' as const);
  };
  try {
    return await Promise.race([awaited, limit()]);
  } finally {
    done.abort();
  }
}
