import { z } from 'zod';
import { readNotification } from '../../contracts/notification.ts';
import { UnknownVersion } from '../../contracts/versions.ts';
import type { EventLogEntry } from './event-log.ts';
import { eventOf } from './event-of-row.ts';
import { toEventMessage, type EventMessage } from '../bus/outgoing-event.ts';

/** The entry does not have the documented form, so it can never be published. */
export class UntranslatableEntry extends Error {
  override name = 'UntranslatableEntry';
}

/** Makes the documented event from the JSON of the trigger, in any supported version. @throws UntranslatableEntry */
export function translate(entry: EventLogEntry): EventMessage {
  const written = orUntranslatable('', () => readNotification(entry.notification));
  const { instance, ...event } = eventOf(written);
  const metadata = {
    id: entry.eventId,
    subject: entry.entityId,
    time: entry.occurredAt.toISOString(),
    sequence: entry.sequence,
    position: entry.position,
    correlationId: entry.correlationId,
    causationId: entry.causationId ?? undefined,
    traceparent: entry.traceparent,
    instance,
  };
  // This validates the event: the database allows values that the event does not, such as another first status.
  return orUntranslatable(`${event.type}: `, () => toEventMessage({ ...event, metadata }));
}

function orUntranslatable<Result>(what: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof z.ZodError)
      throw new UntranslatableEntry(`${what}${z.prettifyError(error)}`, { cause: error });
    if (error instanceof UnknownVersion) throw new UntranslatableEntry(`${what}${error.message}`, { cause: error });
    throw error;
  }
}
