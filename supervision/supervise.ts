import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isConnectionLoss } from './connection-loss.ts';
import { CannotWork, errorMessage, FatalError } from './errors.ts';
import { stopLimits } from './time-limits.ts';
import { within } from './within.ts';

export interface Session {
  /** Aborted when the session is to end. */
  signal: AbortSignal;
  /** To be called once the session does its work: resets the backoff and turns the health green. */
  ready: () => void;
  /** To be called while another process does the work: the health says so. */
  standby: (leader: string) => void;
  /** To be called when a server keeps the session from its work, although the connection holds: the health and the log say why. */
  paused: (reason: string) => void;
  /** To be called when that is over. */
  resumed: () => void;
}

export interface SuperviseOptions {
  name: string;
  logger: Logger;
  /** One session: connects, works until it breaks (rejects) or the signal is aborted (resolves), closes what it opened. */
  run: (session: Session) => Promise<void>;
  /** Called at most once, with an error after which no further session is tried. */
  onFatal: (error: FatalError) => void;
  /** Wait before the second attempt; doubled up to `maxDelayMs`, with jitter. */
  initialDelayMs?: number;
  maxDelayMs?: number;
  /** A session that has not ended so long after the stop is given up: its server does not answer. */
  stopMs?: number;
}

export interface Supervised {
  readonly name: string;
  readonly health: { ready: boolean; lastError?: string; standby?: string };
  /** Ends the session and waits for it, at most for `stopMs`. */
  stop(): Promise<void>;
}

/** Runs one session after the other until stopped: the one way in which every connection of the bridge recovers. */
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
          // One of its own for each session, whose listeners go with it.
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
        const what = isLost ? 'lost its connection' : 'cannot do its work';
        // What a person has to mend is said once, and not with each try.
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
