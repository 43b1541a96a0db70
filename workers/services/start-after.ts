import { errorMessage, FatalError } from '../../supervision/errors.ts';

export type Stop = () => Promise<void>;

export interface Begun {
  /** Resolves once the start has succeeded. It stays pending when the condition is never met or the start fails. */
  done: Promise<void>;
  /** Stops what has started or is starting, and prevents a later start. */
  stop: Stop;
}

/** Calls `start` once the condition is met. A failed start is fatal, because no caller waits for it and could try again. */
export function startAfter(
  condition: Promise<void>,
  start: () => Promise<Stop>,
  onFatal: (error: FatalError) => void,
): Begun {
  let isStopped = false;
  let starting: Promise<Stop | undefined> | undefined;
  const done = condition.then(
    () =>
      new Promise<void>((resolve) => {
        if (isStopped) return;
        starting = start().then(
          (stop) => {
            resolve();
            return stop;
          },
          (error: unknown) => {
            onFatal(new FatalError(`It could not be started: ${errorMessage(error)}.`, { cause: error }));
            return undefined;
          },
        );
      }),
  );
  return {
    done,
    stop: async () => {
      isStopped = true;
      const stop = await starting;
      await stop?.();
    },
  };
}
