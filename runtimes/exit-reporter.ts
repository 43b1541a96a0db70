import pRetry from 'p-retry';
import type { Logger } from 'pino';
import type { RuntimeExit } from './runtime.ts';

export type Report = (exit: RuntimeExit) => Promise<void>;

/** Delivers ends of agents: each is reported again, with backoff, until the report is accepted or the reporter closes. */
export function createExitReporter(logger: Logger) {
  const closing = new AbortController();
  let start!: (report: Report) => void;
  const reporting = new Promise<Report>((resolve) => {
    start = resolve;
  });

  return {
    signal: closing.signal,

    /** Ends that were found before this call are reported from now on. */
    start,

    /**
     * Repeats the attempt until it resolves. What is undelivered on closing stays so: the next process that watches finds
     * the agent gone and reports its end.
     */
    async deliver(
      agent: { instanceId: string; runtimeId: string },
      attempt: (report: Report) => Promise<void>,
    ): Promise<void> {
      const report = await reporting;
      // p-retry gives up on a TypeError, so every error is wrapped.
      const wrapped = () =>
        attempt(report).catch((cause: unknown) => Promise.reject(new Error('not accepted', { cause })));
      const { instanceId, runtimeId } = agent;
      try {
        await pRetry(wrapped, {
          retries: Infinity,
          minTimeout: 250,
          maxTimeout: 30_000,
          randomize: true,
          unref: true,
          signal: closing.signal,
          onFailedAttempt: ({ error, attemptNumber }) =>
            logger.warn(
              { err: error, instanceId, runtimeId, attemptNumber },
              'the end of an agent is not reported yet',
            ),
        });
      } catch (error) {
        if (!closing.signal.aborted)
          logger.error({ err: error, instanceId, runtimeId }, 'the end of an agent is not reported');
      }
    },

    close: (): void => closing.abort(new Error('the watcher is closed')),
  };
}
