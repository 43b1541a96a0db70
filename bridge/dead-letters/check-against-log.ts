import { isDeepStrictEqual } from 'node:util';
import type { Message } from 'amqplib';
import type { ClientBase, Pool } from 'pg';
import { z } from 'zod';
import { definitionOf, isEventType } from '../../contracts/catalog.ts';
import { fromWireHeaders, propertyOfHeader } from '../../contracts/envelope.ts';
import { eventLogColumns, toEventLogEntry, type EventLogRow, type EventLogEntry } from '../event-broker/event-log.ts';
import { parseEvent } from '../bus/incoming-event.ts';
import { errorMessage } from '../../supervision/errors.ts';
import { translate } from '../event-broker/translate.ts';

/** The letter differs from its event in the event log. Somebody may have forged it. */
export class NotInEventLog extends Error {
  override name = 'NotInEventLog';
}

const knownId = z.object({ 'cloudEvents:id': z.guid() });

/**
 * Compares headers, properties and body of a letter with the event log, where every event has an entry before it is published.
 *
 * @throws NotInEventLog that names the difference; the error of the database when the log cannot be read
 */
export async function checkAgainstLog(database: Pool | ClientBase, message: Message): Promise<void> {
  const { headers } = message.properties;
  const id = knownId.safeParse(headers).data?.['cloudEvents:id'];
  if (id === undefined) throw new NotInEventLog('it has no header cloudEvents:id, which every event has');
  const entry = await readEntry(database, id);
  if (!entry) {
    throw new NotInEventLog(`event_log has no event ${id}: it was forged, or its entry was removed since`);
  }
  const difference = findDifference(message, entry);
  if (difference !== undefined) throw new NotInEventLog(`${difference} is not what event_log says of the event ${id}`);
}

async function readEntry(database: Pool | ClientBase, eventId: string): Promise<EventLogEntry | undefined> {
  const { rows } = await database.query<EventLogRow>(
    `select id, notification, ${eventLogColumns} from event_log where event_id = $1`,
    [eventId],
  );
  return rows[0] && toEventLogEntry(rows[0]);
}

/** Names the header, property or field that differs from what event_broker publishes of the entry. */
function findDifference(message: Message, entry: EventLogEntry): string | undefined {
  const { metadata, body: expectedBody } = orRefuse('its entry', () => translate(entry));
  const actual = orRefuse('its content', () =>
    parseEvent({ ...message, fields: { ...message.fields, consumerTag: '' } }),
  );
  const { instance, schemaVersion, ...others } = metadata;
  const found = fromWireHeaders(message.properties.headers);
  for (const [name, value] of Object.entries(others)) {
    const given = found[name as keyof typeof others];
    // A message of an older event_broker has no position.
    if (!(name === 'position' && given === undefined) && !isDeepStrictEqual(given, value))
      return `the header of its ${name}`;
  }
  if (!isDeepStrictEqual(found.instance, instance)) return 'a header of its instance';
  for (const [header, property] of Object.entries(propertyOfHeader)) {
    const given = Reflect.get(message.properties, amqplibNames[property] ?? property) as unknown;
    if (given !== undefined && given !== message.properties.headers?.[header]) return `the property ${property}`;
  }
  if (!isEventType(metadata.type)) return 'its type';
  const expected = definitionOf(metadata.type).versions.read(schemaVersion, expectedBody) as Record<string, unknown>;
  const written = JSON.parse(message.content.toString('utf8')) as Record<string, unknown>;
  // A letter of the same version may lack a field that a newer event_broker adds, but must not have unknown fields.
  const fields = found.schemaVersion === schemaVersion ? Object.keys(written) : Object.keys(expected);
  const body = actual.body as Record<string, unknown>;
  const field = fields.find((name) => !isDeepStrictEqual(body[name], expected[name]) || !(name in expected));
  return field === undefined ? undefined : `the field ${field} of its body`;
}

/** Names of properties in amqplib, where they differ from those of AMQP. */
const amqplibNames: Readonly<Record<string, string>> = { message_id: 'messageId', correlation_id: 'correlationId' };

function orRefuse<Result>(what: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw new NotInEventLog(`${what} cannot be compared with event_log: ${errorMessage(error)}`, { cause: error });
  }
}
