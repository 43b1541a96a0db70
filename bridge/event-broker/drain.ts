import type { ClientBase } from 'pg';
import type { Logger } from 'pino';
import { markPublished, markRejected, takeUnpublished, type EventLogEntry } from './event-log.ts';
import type { EventMessage } from '../bus/outgoing-event.ts';
import type { Publish } from './publisher.ts';
import { translate, UntranslatableEntry } from './translate.ts';
import { entriesRejected } from '../../metrics/event-log.ts';

export interface DrainOptions {
  client: ClientBase;
  /** Called before each publication. @throws Error when another process may lead */
  assertHeld: () => void;
  publish: Publish;
  limits: {
    maxEntries: number;
    /** Bounds the memory of one batch. Two are in memory at a time: one is published while the next one is read. */
    maxBytes: number;
    /** So many entries are on their way to RabbitMQ at most. If one of them fails, only these may have overtaken it. */
    maxUnconfirmed: number;
  };
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Publishes the entries of the log in the order of their positions, until none is left or the signal is aborted. The statement
 * that takes a batch marks what was confirmed before it, and runs while the batch before is published.
 *
 * @throws when an entry was not confirmed; then no further one is published, and each that was confirmed is marked
 */
export async function drain({ client, assertHeld, publish, limits, logger, signal }: DrainOptions): Promise<void> {
  const flight = createFlight(publish);
  let position = 0;
  let ahead: Promise<EventLogEntry[]> | undefined;

  const take = async (): Promise<EventLogEntry[]> => {
    const entries = await takeUnpublished(client, { ...limits, published: flight.takeConfirmed(), after: position });
    position = entries.at(-1)?.position ?? position;
    return entries;
  };
  const publishAll = async (entries: readonly EventLogEntry[]): Promise<void> => {
    for (const entry of entries) {
      const message = await translateOrReject(entry, { client, logger });
      if (!message) continue;
      await flight.untilAtMost(limits.maxUnconfirmed - 1);
      if (signal.aborted) return;
      assertHeld();
      flight.launch(entry.id, message);
    }
  };
  const work = async (): Promise<void> => {
    while (!signal.aborted) {
      assertHeld();
      const entries = await (ahead ?? take());
      const isFull = entries.length === limits.maxEntries;
      ahead = isFull ? take() : undefined;
      // Its failure is seen where the batch is awaited.
      ahead?.catch(() => undefined);
      await publishAll(entries);
      if (isFull) continue;
      const wasEmpty = entries.length === 0 && flight.isEmpty();
      await flight.untilAtMost(0);
      if (wasEmpty) return;
    }
  };
  const end = async (): Promise<void> => {
    await flight.untilLanded();
    const confirmed = flight.takeConfirmed();
    if (confirmed.length > 0) await markPublished(client, confirmed);
  };

  try {
    await work();
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
  await end();
}

/** @returns undefined for an entry that cannot become an event, which is set aside */
async function translateOrReject(
  entry: EventLogEntry,
  { client, logger }: Pick<DrainOptions, 'client' | 'logger'>,
): Promise<EventMessage | undefined> {
  try {
    return translate(entry);
  } catch (error) {
    if (!(error instanceof UntranslatableEntry)) throw error;
    logger.error({ eventLogId: entry.id, reason: error.message }, 'an entry of event_log cannot be published');
    await markRejected(client, entry.id, error.message);
    entriesRejected.inc();
    return undefined;
  }
}

/** The entries that were handed to RabbitMQ. */
function createFlight(publish: Publish) {
  let unconfirmed = 0;
  let confirmed: string[] = [];
  let failure: { error: unknown } | undefined;
  let onLanding: () => void = () => undefined;
  const fly = async (id: string, message: EventMessage): Promise<void> => {
    try {
      await publish(message);
      confirmed.push(id);
    } catch (error) {
      failure ??= { error };
    }
    unconfirmed -= 1;
    onLanding();
  };
  const waitFor = async (isOver: () => boolean): Promise<void> => {
    while (!isOver()) await new Promise<void>((resolve) => (onLanding = resolve));
  };
  return {
    launch: (id: string, message: EventMessage): void => {
      unconfirmed += 1;
      void fly(id, message);
    },
    /** Waits until no more entries than that are unconfirmed. @throws the first failure of an entry */
    untilAtMost: async (count: number): Promise<void> => {
      await waitFor(() => failure !== undefined || unconfirmed <= count);
      if (failure) throw failure.error;
    },
    /** Waits until each entry was confirmed or failed. */
    untilLanded: () => waitFor(() => unconfirmed === 0),
    /** Whether nothing is on its way or confirmed and not taken. */
    isEmpty: () => unconfirmed === 0 && confirmed.length === 0,
    /** Hands over the ids of the entries that were confirmed since the last call. */
    takeConfirmed: (): string[] => {
      const taken = confirmed;
      confirmed = [];
      return taken;
    },
  };
}
