import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pMap from 'p-map';

/** Whatever can run lifecycles: the engine, bare Temporal, or another library. */
export interface Lives {
  /** Resolves once the instance runs. */
  begin: (id: string) => Promise<void>;
  /** Resolves once the instance was deleted and nothing is left to do for it. */
  end: (id: string) => Promise<void>;
}

export interface LifecycleOptions {
  count: number;
  inFlight: number;
  /** Pause after each lifecycle, in which the system becomes idle again. */
  restMs?: number;
  /** Nothing is deleted: each lifecycle ends once its instance runs. */
  leavesRunning?: true;
}

export interface Lifecycles {
  count: number;
  seconds: number;
  /** Of each lifecycle. */
  toRunningMs: number[];
}

/** Runs lifecycles (create, run, delete), each with an id of its own, and as many at once as `inFlight` says. */
export async function runLifecycles(
  { begin, end }: Lives,
  { count, inFlight, restMs = 0, leavesRunning }: LifecycleOptions,
): Promise<Lifecycles> {
  const toRunningMs: number[] = [];
  const began = performance.now();
  await pMap(
    Array.from({ length: count }),
    async () => {
      const id = randomUUID();
      const start = performance.now();
      await begin(id);
      toRunningMs.push(performance.now() - start);
      if (!leavesRunning) await end(id);
      if (restMs > 0) await delay(restMs);
    },
    { concurrency: inFlight },
  );
  return { count, seconds: (performance.now() - began) / 1_000, toRunningMs };
}
