import { RuntimeUnavailable, type Runtime, type RunningAgent } from './runtime.ts';

/** A runtime of a kind that is not configured here. It never started anything, so it has nothing to remove. */
export function createUnavailableRuntime(advice: string): Runtime<never> {
  return {
    provision: (): Promise<RunningAgent> => Promise.reject(new RuntimeUnavailable(advice)),
    cleanUp: async () => {},
    watch: async () => {},
    describe: async () => undefined,
    list: async () => undefined,
    lease: undefined,
    identify: async () => undefined,
    close: async () => {},
  };
}
