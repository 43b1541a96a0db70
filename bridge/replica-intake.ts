import type { Logger } from 'pino';
import type { LiveEvent, Page } from './published-events.ts';

export interface IntakeOptions {
  /** Called with each event once, in the order of the positions. */
  onEvent: (event: LiveEvent) => void;
  /** The highest position that the log knows. */
  readHead: () => Promise<number>;
  readPage: (after: number) => Promise<Page>;
  logger: Logger;
  /** How many events of the bus wait while the log is read; of more, the log is read again. */
  maxWaiting?: number;
}

export interface Intake {
  /** Everything up to here was handed on; undefined before the first `catchUp`. */
  readonly position: number | undefined;
  /** Takes an event from the bus. Rejects when the log had to be read for it and could not be: call `catchUp` then. */
  take(event: LiveEvent): Promise<void>;
  /** Hands on what the log has beyond `position`; the first time nothing, and begins there. */
  catchUp(): Promise<void>;
}

/**
 * Makes one stream without gaps and repeats of what comes over the bus, from which something may be missing, and of the log.
 * A position that does not follow the last one was lost on the way, or was that of an event which concerns no client: the
 * log tells.
 */
export function createIntake({ onEvent, readHead, readPage, logger, maxWaiting = 1_000 }: IntakeOptions): Intake {
  let position: number | undefined;
  let waiting: LiveEvent[] = [];
  let catchingUp: Promise<void> | undefined;

  const handOn = (event: LiveEvent): void => {
    position = event.metadata.position;
    try {
      onEvent(event);
    } catch (error) {
      logger.error(
        { eventId: event.metadata.id, err: error },
        'an event could not be handed on; going on with the next',
      );
    }
  };

  const readLog = async (from: number): Promise<void> => {
    const head = await readHead();
    for (let more = from < head; more;) {
      const page = await readPage(position ?? from);
      page.events.forEach(handOn);
      position = Math.max(page.upTo, position ?? from);
      more = page.more && position < head;
    }
    position = Math.max(head, position ?? from);
  };

  const reconcile = async (): Promise<void> => {
    position ??= await readHead();
    // What had come before the log was read is in it: the log decides, not a header that anybody could have written.
    for (let before: LiveEvent | undefined; ; before = waiting[0]) {
      await readLog(position);
      waiting = waiting.filter(({ metadata }) => metadata.position > (position ?? 0));
      if (before !== undefined && waiting[0] === before) {
        logger.warn({ eventId: before.metadata.id }, 'an event was ignored whose position the log does not know');
        waiting.shift();
      }
      while (waiting[0]?.metadata.position === position + 1) handOn(waiting.shift() as LiveEvent);
      if (waiting.length === 0) return;
    }
  };

  const intake: Intake = {
    get position() {
      return position;
    },
    take: async (event) => {
      if (catchingUp === undefined && position !== undefined) {
        if (event.metadata.position <= position) return;
        if (event.metadata.position === position + 1) {
          handOn(event);
          return;
        }
      }
      // The newest one stays: the log, read up to it, has the others.
      if (waiting.length >= maxWaiting) waiting = [];
      waiting.push(event);
      // Who began to read fails for all, and is the only one that waits: there is no end to how many others could.
      if (catchingUp === undefined) await intake.catchUp();
    },
    catchUp: () => {
      catchingUp ??= (async () => {
        try {
          await reconcile();
        } finally {
          catchingUp = undefined;
        }
      })();
      return catchingUp;
    },
  };
  return intake;
}
