import { errorMessage, FatalError } from '../../supervision/errors.ts';

export type Stop = () => Promise<void>;

export interface Begun {
  /** Resolves once everything was started; never where the condition is not met or the start fails. */
  done: Promise<void>;
  /** Stops what was started, also what is just starting; nothing is started from then on. */
  stop: Stop;
}

/** Starts what `start` starts once the condition is met. A start that fails is fatal: nobody waits for it who could try again. */
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
