import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isConnectionLoss } from './connection-loss.ts';

/** Trying again will not help: a person has to do what the message says. Ends the process. */
export class FatalError extends Error {
  override name = 'FatalError';
}

/** Although the connection holds, something keeps the session from its work for now: it is tried again. */
export class CannotWork extends Error {
  override name = 'CannotWork';
}

export interface Session {
  /** Aborted when the session is to end. */
  signal: AbortSignal;
  /** To be called once the session does its work: resets the backoff and turns the health green. */
  ready: () => void;
  /** To be called while another process does the work: the health says so. */
  standby: (leader: string) => void;
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
}

export interface Supervised {
  readonly name: string;
  readonly health: { ready: boolean; lastError?: string; standby?: string };
  /** Ends the session and waits for it. */
  stop(): Promise<void>;
}

/** Runs one session after the other until stopped: the one way in which every connection of the bridge recovers. */
export function supervise(options: SuperviseOptions): Supervised {
  const { name, logger, run, onFatal, initialDelayMs = 200, maxDelayMs = 5_000 } = options;
  const stopping = new AbortController();
  const health: Supervised['health'] = { ready: false };

  const loop = async (): Promise<void> => {
    let delayMs = initialDelayMs;
    while (!stopping.signal.aborted) {
      try {
        await run({
          signal: stopping.signal,
          ready: () => {
            delayMs = initialDelayMs;
            health.ready = true;
            delete health.lastError;
            delete health.standby;
            logger.info(`${name} is ready`);
          },
          standby: (leader) => {
            delete health.lastError;
            health.standby = leader;
          },
        });
      } catch (error) {
        health.ready = false;
        delete health.standby;
        health.lastError = describe(error);
        if (stopping.signal.aborted) return;
        if (error instanceof FatalError) {
          onFatal(error);
          return;
        }
        const waitMs = Math.round(delayMs * (0.75 + Math.random() / 2));
        const isLost = !(error instanceof CannotWork) && isConnectionLoss(error);
        const what = isLost ? 'lost its connection' : 'cannot do its work';
        logger.warn({ retryInMs: waitMs, error: describe(error) }, `${name} ${what}; trying again`);
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
      await ended;
    },
  };
}

/** One line for a log; node reports a refused connection to several addresses as an AggregateError without a text. */
export function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describe).join('; ');
  return error instanceof Error ? error.message || error.name : String(error);
}
