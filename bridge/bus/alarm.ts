/** Wakes one loop: a ring that comes while the loop is at work is kept for its next wait. */
export interface Alarm {
  ring: () => void;
  /** Resolves at once after a ring, else at the next ring or when the time is over. */
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
