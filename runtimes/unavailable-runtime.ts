import { RuntimeUnavailable, type Runtime, type RunningAgent } from './runtime.ts';

/** Stands for a runtime that this worker was not given: nothing was ever started there, so nothing is to be removed. */
export function createUnavailableRuntime(advice: string): Runtime<never> {
  return {
    provision: (): Promise<RunningAgent> => Promise.reject(new RuntimeUnavailable(advice)),
    cleanUp: async () => {},
    watch: async () => {},
    describe: async () => undefined,
    list: async () => undefined,
    close: async () => {},
  };
}
