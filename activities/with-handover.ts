import type { HostSteps, ProvisionResult, StepContext } from './steps.ts';

type Run = (context: StepContext) => Promise<unknown>;

interface Begun {
  /** Steps of the same key do the same. */
  key: string;
  result: Promise<unknown>;
  /** Ends the step. */
  ending: AbortController;
  /** Runs until an activity takes the step over. */
  abandoning?: NodeJS.Timeout;
}

export interface LastingSteps extends HostSteps {
  /** Ends what goes on without an activity. Must be called when the worker takes no more activities. */
  end(): Promise<void>;
}

const heartbeatMs = 500;

/** Time for an activity to take over a step, or its failure. */
const handoverMs = 5_000;

/** A step took longer than `patienceMs`. It goes on, and the next call with the same input waits for it. */
export class StillUnderWay extends Error {
  override name = 'StillUnderWay';
}

/**
 * Steps on a host that one call may begin in passing (with `patienceMs`) and the next one with the same input takes over, also where the step
 * has failed meanwhile. So an agent that takes its time to start or to end is asked only once, and each failure counts once. A call with
 * another input ends the step first.
 *
 * Where the next activity comes to another worker of the same host, that one waits until the step was given up here, and begins it anew.
 */
export function withHandover(steps: HostSteps): LastingSteps {
  const begun = new Map<string, Begun>();

  const begin = (instanceId: string, key: string, run: Run): Begun => {
    const ending = new AbortController();
    // Whoever waits for the step gives the sign of life.
    const result = run({ signal: ending.signal, heartbeat: () => undefined });
    const step: Begun = { key, result, ending };
    // Only what goes on, or has failed, is taken over: another worker of the host may have undone a success since.
    result.then(
      () => forget(instanceId, step),
      () => undefined,
    );
    begun.set(instanceId, step);
    return step;
  };

  const forget = (instanceId: string, step: Begun): void => {
    clearTimeout(step.abandoning);
    if (begun.get(instanceId) === step) begun.delete(instanceId);
  };

  /** The step that was begun before, unless it was another one, which is ended first. */
  const beginOrTakeOver = async (instanceId: string, key: string, run: Run): Promise<Begun> => {
    for (;;) {
      const step = begun.get(instanceId);
      if (!step) return begin(instanceId, key, run);
      clearTimeout(step.abandoning);
      if (step.key === key && !step.ending.signal.aborted) return step;
      step.ending.abort(new Error('Another step of the instance is taken instead.'));
      await step.result.catch(() => undefined);
      forget(instanceId, step);
    }
  };

  const abandonUnlessTakenOver = (instanceId: string, step: Begun): void => {
    step.abandoning = setTimeout(() => {
      step.ending.abort(new Error('No activity took the step over.'));
      void step.result.catch(() => undefined).finally(() => forget(instanceId, step));
    }, handoverMs).unref();
  };

  const take = async (instanceId: string, key: string, context: StepContext, run: Run): Promise<unknown> => {
    const { signal, heartbeat, patienceMs } = context;
    signal.throwIfAborted();
    const beating = setInterval(heartbeat, heartbeatMs);
    let cancel: (() => void) | undefined;
    try {
      const step = await beginOrTakeOver(instanceId, key, run);
      cancel = () => step.ending.abort(signal.reason);
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
      try {
        const result = await (patienceMs === undefined ? step.result : within(patienceMs, step.result));
        if (result === 'too late') throw new StillUnderWay();
        return result;
      } catch (error) {
        if (patienceMs === undefined || signal.aborted) forget(instanceId, step);
        else abandonUnlessTakenOver(instanceId, step);
        throw error;
      }
    } finally {
      clearInterval(beating);
      if (cancel) signal.removeEventListener('abort', cancel);
    }
  };

  return {
    end: async () => {
      await Promise.all(
        [...begun.values()].map(async ({ ending, result }) => {
          ending.abort(new Error('The worker is stopping.'));
          await result.catch(() => undefined);
        }),
      );
    },
    provision: async (input, context) => {
      const { instanceId, generation, resumeGeneration } = input;
      const key = `provision ${generation} ${resumeGeneration}`;
      // Only `steps.provision` is run under such a key.
      return (await take(instanceId, key, context, (own) => steps.provision(input, own))) as ProvisionResult;
    },
    cleanUp: async (input, context) => {
      // Whatever the reason: an agent that was asked to end is not asked again.
      await take(input.instanceId, 'cleanUp', context, (own) => steps.cleanUp(input, own));
    },
  };
}

async function within<Result>(limitMs: number, result: Promise<Result>): Promise<Result | 'too late'> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<'too late'>((resolve) => {
    timer = setTimeout(resolve, limitMs, 'too late');
  });
  try {
    return await Promise.race([result, limit]);
  } finally {
    clearTimeout(timer);
  }
}
