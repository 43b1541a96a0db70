/** Wakes a loop. A ring during the work of the loop ends its next wait at once. */
export interface Alarm {
  ring: () => void;
  /** Resolves at the next ring or after the timeout; at once if there was a ring since the last wait. */
  wait: (timeoutMs: number) => Promise<void>;
}

export function createAlarm(): Alarm {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring: () => {
      rung = true;
      wake?.();
    },
    wait: async (timeoutMs) => {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rung = false;
      wake = undefined;
    },
  };
}
