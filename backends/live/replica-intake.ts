import type { Logger } from 'pino';
import type { LiveEvent, Page } from './published-events.ts';

export interface IntakeOptions {
  /** Called with each event, once and in the order of the positions. */
  onEvent: (event: LiveEvent) => void;
  /** Called when events may be lost: entries were removed from the log, or the log was set back to an older copy. */
  onLoss: () => void;
  /** The highest position of the log. */
  readHead: () => Promise<number>;
  readPage: (after: number) => Promise<Page>;
  logger: Logger;
  /** How many events of the bus wait while the log is read. If more arrive, the log is read again instead. */
  maxWaiting?: number;
}

export interface Intake {
  /** All events up to this position were handed on; undefined before the first `catchUp`. */
  readonly position: number | undefined;
  /** Takes an event from the bus. Rejects when the log has to be read and cannot be; call `catchUp` again then. */
  take(event: LiveEvent): Promise<void>;
  /** Hands on the events of the log above `position`. The first call only sets `position` to the end of the log. */
  catchUp(): Promise<void>;
  /** Resolves when no `catchUp` is under way: every event that was taken before has then been handed on. */
  settled(): Promise<void>;
}

const maxRecent = 1_000;

/**
 * Makes one stream without gaps and repeats from the bus, which may lose events, and from the event log. If a position does not
 * follow the last one, the events between were lost or concern no client; the log shows which.
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
  /** Ids of the events at the newest positions; empty where a position concerns no client. */
  const recent = new Map<number, string>();
  let catchingUp: Promise<void> | undefined;

  /** Records that everything up to a position was handed on, of which the last event has this id. */
  const pass = (to: number, id = ''): void => {
    if (position === undefined || to <= position) return;
    for (let at = Math.max(position + 1, to - maxRecent); at < to; at += 1) recent.set(at, '');
    recent.set(to, id);
    position = to;
    for (const at of recent.keys()) {
      if (at > to - maxRecent) break;
      recent.delete(at);
    }
  };

  const handOn = (event: LiveEvent): void => {
    pass(event.metadata.position, event.metadata.id);
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
      pass(page.upTo);
      more = page.more && (position ?? from) < head;
    }
    pass(head);
  };

  const reconcile = async (): Promise<void> => {
    position ??= await readHead();
    // Events that arrived before the log was read are in the log. It decides, because anybody could have forged a header.
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

  /** Asks the log whether it really has this event at a known position, because a publisher could have forged the header. */
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
      // The newest event stays; reading the log up to it brings the others.
      if (waiting.length >= maxWaiting) waiting = [];
      waiting.push(event);
      // Only the call that started the read awaits it and sees its failure; otherwise any number of calls could wait.
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
    settled: async () => catchingUp,
  };
  return intake;
}
