import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { catalog } from '../../contracts/catalog.ts';
import { eventTypes, type EventType } from '../../contracts/names.ts';
import type { Bus } from './bus.ts';
import { headersSchemaOf, readSchema } from './published-schemas.ts';
import { arbitraryOf } from './schema-arbitrary.ts';

/** An event as any publisher may send it. */
export interface ForeignEvent {
  type: EventType;
  body: Record<string, unknown>;
  headers: Record<string, unknown>;
}

/** Of the newest version unless told otherwise, with all mandatory headers, and an id of its own. */
export function foreignEvent(
  type: EventType,
  body: Record<string, unknown>,
  options: { version?: number; headers?: Record<string, unknown> } = {},
): ForeignEvent {
  const { version = catalog[type].versions.newest.version, headers = {} } = options;
  const id = randomUUID();
  const isInstance = type.startsWith('instance.');
  return {
    type,
    body,
    headers: {
      'cloudEvents:specversion': '1.0',
      'cloudEvents:id': id,
      'cloudEvents:source': '/foreign',
      'cloudEvents:type': type,
      'cloudEvents:subject': body[`${type.slice(0, type.indexOf('.'))}_id`],
      'cloudEvents:time': '2025-01-01T12:00:00Z',
      'cloudEvents:sequence': '0000000000000000001',
      'cloudEvents:correlationid': id,
      'cloudEvents:traceparent': `00-${id.replaceAll('-', '')}-${id.replaceAll('-', '').slice(16)}-01`,
      schema_version: version,
      ...(isInstance && {
        agent_id: randomUUID(),
        user_id: randomUUID(),
        desired_state: 'running',
        generation: 1,
        observed_generation: 1,
      }),
      ...headers,
    },
  };
}

/** Made from the published schemas of body and headers alone, with fields on top that they do not know. */
export function arbitraryEvent(type: EventType, version: number): fc.Arbitrary<ForeignEvent> {
  const extra = fc.option(fc.record({ added_later: fc.jsonValue() }), { nil: {} });
  const sequence = fc.constantFrom('0000000000000000001', '0009007199254740991');
  return fc
    .record({
      body: arbitraryOf(readSchema(`${type}.v${version}.json`)) as fc.Arbitrary<Record<string, unknown>>,
      headers: arbitraryOf(readSchema(`${headersSchemaOf(type)}.v1.json`)) as fc.Arbitrary<Record<string, unknown>>,
      extra,
      sequence,
    })
    .map((made) => {
      const { headers } = foreignEvent(type, made.body, { version });
      const fixed = ['cloudEvents:id', 'cloudEvents:type', 'cloudEvents:subject', 'schema_version'];
      const kept = Object.fromEntries(fixed.map((name) => [name, headers[name]]));
      return {
        type,
        body: { ...made.body, ...made.extra },
        headers: { ...made.headers, 'x-added-later': 'yes', 'cloudEvents:sequence': made.sequence, ...kept },
      };
    });
}

/** The example of every kept version of every event. */
export function exampleEvents(): ForeignEvent[] {
  return eventTypes.flatMap((type) =>
    catalog[type].versions.kept.map(({ version, example }) =>
      foreignEvent(type, example as ForeignEvent['body'], { version }),
    ),
  );
}

/** The body that a consumer is to hand on: as it was sent, or what an older version is in the form of the newest. */
export function bodyToHandle({ type, body, headers }: ForeignEvent): unknown {
  const { versions } = catalog[type];
  const { added_later: _, ...known } = JSON.parse(JSON.stringify(body)) as Record<string, unknown>;
  const version = Number(headers['schema_version']);
  return version === versions.newest.version ? known : versions.read(version, known);
}

/** To everybody whose queue gets the event, or straight into one `queue`. */
export function sendForeign(bus: Bus, { type, body, headers }: ForeignEvent, queue?: string): Promise<void> {
  const [exchange, key] = queue === undefined ? ['events.topic', type] : ['', queue];
  return bus.publish(exchange, key, JSON.stringify(body), { headers, messageId: String(headers['cloudEvents:id']) });
}
