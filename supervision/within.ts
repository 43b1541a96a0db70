/** Waits for a promise that may never settle, at most for the limit. The timer does not keep the process alive. */
export async function within<T>(limitMs: number, awaited: Promise<T>): Promise<T | 'too late'> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<'too late'>((resolve) => {
    // A process that was kept from running finds its timers over before it reads what has arrived in time.
    timer = setTimeout(() => setImmediate(resolve, 'too late'), limitMs).unref();
  });
  try {
    return await Promise.race([awaited, limit]);
  } finally {
    clearTimeout(timer);
  }
}
