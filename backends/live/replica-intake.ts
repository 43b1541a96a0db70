import type { Logger } from 'pino';
import type { LiveEvent, Page } from './published-events.ts';

export interface IntakeOptions {
  /** Called with each event once, in the order of the positions. */
  onEvent: (event: LiveEvent) => void;
  /** Called when events between those handed on may be missing for good: the log no longer has them, or was set back. */
  onLoss: () => void;
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

const maxRecent = 1_000;

/**
 * Makes one stream without gaps and repeats of what comes over the bus, from which something may be missing, and of the log.
 * A position that does not follow the last one was lost on the way, or was that of an event which concerns no client: the
 * log tells.
 */
export function createIntake({
  onEvent,
  onLoss,
  readHead,
  readPage,
  logger,
  maxWaiting = 1_000,
}: IntakeOptions): Intake {
  let position: number | undefined;
  let waiting: LiveEvent[] = [];
  /** Ids of the newest events that were handed on, by position. */
  const recent = new Map<number, string>();
  let catchingUp: Promise<void> | undefined;

  const handOn = (event: LiveEvent): void => {
    position = event.metadata.position;
    recent.set(position, event.metadata.id);
    recent.delete(position - maxRecent);
    try {
      onEvent(event);
    } catch (error) {
      logger.error(
        { eventId: event.metadata.id, err: error },
        'an event could not be handed on; going on with the next',
      );
    }
  };

  const lose = (head: number, why: string): void => {
    logger.warn({ position, head }, `${why}: events may be missing`);
    recent.clear();
    position = head;
    onLoss();
  };

  const readLog = async (from: number): Promise<void> => {
    const head = await readHead();
    if (head < from) {
      lose(head, 'the event log was set back');
      return;
    }
    for (let more = from < head; more;) {
      const page = await readPage(position ?? from);
      if (!page.isComplete) {
        lose(head, 'entries were removed from the event log before they were read');
        return;
      }
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

  const isAnother = ({ metadata: { id, position: at } }: LiveEvent): boolean => (recent.get(at) ?? id) !== id;

  /** Anybody who can publish can write a position into a header: the log says whose it is. */
  const checkSetBack = async (event: LiveEvent): Promise<void> => {
    const { id, position: at } = event.metadata;
    const [found] = (await readPage(at - 1)).events;
    if (found?.metadata.id === id && isAnother(event)) lose(await readHead(), 'the event log was set back');
  };

  const intake: Intake = {
    get position() {
      return position;
    },
    take: async (event) => {
      if (catchingUp === undefined && position !== undefined) {
        if (event.metadata.position <= position) {
          if (isAnother(event)) await checkSetBack(event);
          return;
        }
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
