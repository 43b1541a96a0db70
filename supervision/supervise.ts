import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isConnectionLoss } from './connection-loss.ts';
import { CannotWork, errorMessage, FatalError } from './errors.ts';
import { stopLimits } from './time-limits.ts';
import { within } from './within.ts';

export interface Session {
  /** Aborted when the session has to end. */
  signal: AbortSignal;
  /** Must be called once the session does its work. Resets the backoff and turns the health green. */
  ready: () => void;
  /** Must be called while another process does the work. The health names that process. */
  standby: (leader: string) => void;
  /** Must be called when a server blocks the work although the connection works. Health and log give the reason. */
  paused: (reason: string) => void;
  /** Must be called when the server no longer blocks the work. */
  resumed: () => void;
}

export interface SuperviseOptions {
  name: string;
  logger: Logger;
  /** Runs one session until something breaks (rejects) or the signal is aborted (resolves), and closes what it opened. */
  run: (session: Session) => Promise<void>;
  /** Called at most once. No further session is tried after this error. */
  onFatal: (error: FatalError) => void;
  /** Wait before the second attempt. It doubles up to `maxDelayMs`, with jitter. */
  initialDelayMs?: number;
  maxDelayMs?: number;
  /** How long a stop waits for the session to end, which it may not do while a server does not answer. */
  stopMs?: number;
}

export interface Supervised {
  readonly name: string;
  readonly health: { ready: boolean; lastError?: string; standby?: string };
  /** Ends the session and waits for its end, at most `stopMs`. */
  stop(): Promise<void>;
}

/**
 * Runs one session after the other until stopped. Every long-lived part of a process recovers in this way: a session that fails is
 * tried again with backoff, unless it fails with a FatalError.
 */
export function supervise(options: SuperviseOptions): Supervised {
  const { name, logger, run, onFatal, initialDelayMs = 200, maxDelayMs = 5_000, stopMs = stopLimits.partMs } = options;
  const stopping = new AbortController();
  const health: Supervised['health'] = { ready: false };

  const loop = async (): Promise<void> => {
    let delayMs = initialDelayMs;
    let saidLast: string | undefined;
    while (!stopping.signal.aborted) {
      let isAtWork = false;
      let pause: string | undefined;
      const show = (): void => {
        health.ready = isAtWork && pause === undefined;
        if (pause !== undefined) health.lastError = pause;
        else if (isAtWork) delete health.lastError;
      };
      try {
        await run({
          // Each session has its own signal, so that its listeners are released with it.
          signal: AbortSignal.any([stopping.signal]),
          ready: () => {
            delayMs = initialDelayMs;
            isAtWork = true;
            saidLast = undefined;
            delete health.standby;
            show();
            logger.info(`${name} is ready`);
          },
          paused: (reason) => {
            pause = reason;
            show();
            logger.warn({ error: reason }, `${name} cannot do its work until that is over`);
          },
          resumed: () => {
            if (pause === undefined) return;
            pause = undefined;
            show();
            logger.info(`${name} can do its work again`);
          },
          standby: (leader) => {
            delete health.lastError;
            health.standby = leader;
          },
        });
      } catch (error) {
        health.ready = false;
        delete health.standby;
        health.lastError = errorMessage(error);
        if (stopping.signal.aborted) return;
        if (error instanceof FatalError) {
          onFatal(error);
          return;
        }
        const waitMs = Math.round(delayMs * (0.75 + Math.random() / 2));
        const isLost = !(error instanceof CannotWork) && isConnectionLoss(error);
        // A session that never worked may have had no connection to lose.
        const withoutConnection = isAtWork ? 'lost its connection' : 'has no connection';
        const what = isLost ? withoutConnection : 'cannot do its work';
        // A reason that a person has to fix is logged once, not with each attempt.
        if (!(error instanceof CannotWork) || health.lastError !== saidLast) {
          logger.warn({ retryInMs: waitMs, error: health.lastError }, `${name} ${what}; trying again`);
        }
        saidLast = health.lastError;
        await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
        delayMs = Math.min(delayMs * 2, maxDelayMs);
      }
      health.ready = false;
    }
  };
  const ended = loop();

  return {
    name,
    health,
    stop: async () => {
      stopping.abort();
      if ((await within(stopMs, ended)) === 'too late') {
        logger.warn(`${name} did not end within ${stopMs} ms, because a server does not answer: it is given up`);
      }
    },
  };
}
