import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { liveState, useLive } from '../session.ts';
import { errorText } from './notice.tsx';

/** Aborted when the component is gone. */
export function useLifetime(): AbortSignal {
  const controller = useMemo(() => new AbortController(), []);
  useEffect(() => () => controller.abort(), []);
  return controller.signal;
}

export type Loading = ReturnType<typeof useLoading>;

/** Runs the requests of a component, and remembers whether one succeeded and why the last one failed. */
export function useLoading() {
  const signal = useLifetime();
  const isReady = useSignal(false);
  const failure = useSignal<{ error: unknown; again: () => void } | undefined>(undefined);
  const run = async (work: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    try {
      await work(signal);
      failure.value = undefined;
      isReady.value = true;
    } catch (error) {
      if (!signal.aborted) failure.value = { error, again: () => void run(work) };
    }
  };
  return { run, isReady, failure };
}

interface LoadProps<Value> {
  from: (signal: AbortSignal) => Promise<Value>;
  /** Loads it again so often while the page is seen. */
  everyMs?: number;
  children: (value: Value, reload: () => Promise<void>) => ComponentChildren;
}

/** Loads a value when it appears, and shows what its children make of the value. */
export function Load<Value>({ from, everyMs, children }: LoadProps<Value>) {
  const loading = useLoading();
  const value = useSignal<Value | undefined>(undefined);
  const reload = (): Promise<void> =>
    loading.run(async (signal) => {
      value.value = await from(signal);
    });
  const refresh = useRefresher(async () => {
    if (!document.hidden) await reload();
    refresh(everyMs);
  });
  useEffect(() => {
    void reload();
    if (everyMs !== undefined) refresh(everyMs);
  }, []);
  return <Loaded loading={loading}>{value.value !== undefined && children(value.value, reload)}</Loaded>;
}

/**
 * Shows its children once something is loaded; after a failure why, with a way to try again. What was loaded stays while the page is not
 * live, which the header says, and is loaded again once it is.
 */
export function Loaded({ loading, children }: { loading: Loading; children: ComponentChildren }) {
  useLive(() => loading.failure.peek()?.again());
  const failure = loading.failure.value;
  const isReady = loading.isReady.value;
  if (failure && !(isReady && liveState.value !== 'live')) {
    return (
      <>
        <p role="alert">{errorText(failure.error)}</p>
        <p>
          <button type="button" onClick={failure.again}>
            Try again
          </button>
        </p>
      </>
    );
  }
  return isReady ? <>{children}</> : <p class="quiet">Loading …</p>;
}

/** Returns a function that runs the work soon: once for many calls, and never twice at the same time. */
export function useRefresher(work: () => Promise<unknown>): (delayMs?: number) => void {
  const signal = useLifetime();
  const latest = useRef(work);
  latest.current = work;
  return useMemo(() => createRefresher(() => latest.current(), signal), []);
}

function createRefresher(work: () => Promise<unknown>, signal: AbortSignal): (delayMs?: number) => void {
  let due = Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isRunning = false;

  const run = async (): Promise<void> => {
    due = Infinity;
    isRunning = true;
    await work().finally(() => {
      isRunning = false;
    });
    if (due !== Infinity) arm();
  };
  const arm = (): void => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(() => void run(), Math.max(0, due - Date.now()));
  };
  signal.addEventListener('abort', () => clearTimeout(timer));

  return (delayMs = 250) => {
    if (Date.now() + delayMs >= due) return;
    due = Date.now() + delayMs;
    if (!isRunning) arm();
  };
}
