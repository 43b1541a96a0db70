export interface Repeating {
  stop: () => void;
}

/** Repeats work with a pause after each time, without keeping the process alive. */
export function repeat(
  work: () => Promise<void>,
  { intervalMs, onError }: { intervalMs: number; onError: (error: unknown) => void },
): Repeating {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const schedule = (): void => {
    if (stopped) return;
    timer = setTimeout(() => void work().catch(onError).finally(schedule), intervalMs).unref();
  };
  schedule();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
