import { z } from 'zod';
import { catalog, definitionOf, type Catalog, type EventBody } from '../../contracts/catalog.ts';
import { toWireHeaders, type EventMetadata } from '../../contracts/envelope.ts';
import { exchangeNames, type EventType } from '../../contracts/names.ts';
import type { OutgoingMessage } from './confirmed-publish.ts';

/** An event to publish. `toEventMessage` adds what follows from the definition of its type. */
export type OutgoingEvent = {
  [Type in EventType]: {
    type: Type;
    body: EventBody<Type>;
    metadata: Omit<EventMetadata, 'type' | 'source' | 'schemaVersion'>;
  };
}[EventType];

export interface EventMessage extends OutgoingMessage {
  metadata: EventMetadata;
}

/**
 * Makes the message for `events.topic` in the newest version.
 *
 * @throws z.ZodError when the body does not match its schema
 */
export function toEventMessage({ type, body, metadata }: OutgoingEvent, events: Catalog = catalog): EventMessage {
  const { source, versions } = definitionOf(type, events);
  const { version, schema } = versions.newest;
  const complete = { ...metadata, type, source, schemaVersion: version };
  return {
    exchange: exchangeNames.events,
    routingKey: type,
    body: z.encode(schema, body),
    metadata: complete,
    headers: toWireHeaders(complete),
  };
}
