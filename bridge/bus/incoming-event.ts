import type { Message } from 'amqplib';
import { z } from 'zod';
import { catalog, isEventType, type Catalog, type EventBody } from '../../contracts/catalog.ts';
import { fromWireHeaders, type EventMetadata } from '../../contracts/envelope.ts';
import { exchangeNames, type EventType } from '../../contracts/names.ts';

/** The message is no event of the contracts. Handling it again cannot help. */
export class ContractViolation extends Error {
  override name = 'ContractViolation';
}

export type IncomingEvent<Types extends EventType = EventType> = {
  [Type in Types]: { type: Type; body: EventBody<Type>; metadata: EventMetadata };
}[Types];

/**
 * Parses a message as an event of any supported version, and converts its body to the newest version.
 *
 * @throws ContractViolation that names the wrong header, version or field
 */
export function parseEvent(message: Message, events: Catalog = catalog): IncomingEvent {
  const metadata = check('headers', () => fromWireHeaders(message.properties.headers));
  const { type, schemaVersion } = metadata;
  if (!isEventType(type)) throw new ContractViolation(`unknown event type: ${type}`);
  const json = check('body is not JSON', (): unknown => JSON.parse(message.content.toString('utf8')));
  const body = check(`body of ${type}`, () => events[type].versions.read(schemaVersion, json) as EventBody<EventType>);
  const [idField, id] = subjectIn(body);
  if (id !== metadata.subject) {
    throw new ContractViolation(`body of ${type}: ${idField} ${id} is not the cloudEvents:subject ${metadata.subject}`);
  }
  checkAddress(message, type);
  return { type, body, metadata } as IncomingEvent;
}

function subjectIn(body: EventBody<EventType>): [field: string, id: string] {
  if ('instance_id' in body) return ['instance_id', body.instance_id];
  if ('deployment_id' in body) return ['deployment_id', body.deployment_id];
  return 'rollout_id' in body ? ['rollout_id', body.rollout_id] : ['agent_id', body.agent_id];
}

/** RabbitMQ routes by the routing key, and consumers read the headers, so both have to name the same event type. */
function checkAddress({ fields, properties }: Message, type: string): void {
  const { exchange, routingKey } = fields;
  // A dead letter that is sent again comes through another exchange, with the name of its queue as routing key.
  if (exchange === exchangeNames.events && routingKey !== type) {
    throw new ContractViolation(`the routing key ${routingKey} is not the cloudEvents:type ${type}`);
  }
  const { type: property } = properties as { type?: string };
  if (property !== undefined && property !== type) {
    throw new ContractViolation(`the property type ${property} is not the cloudEvents:type ${type}`);
  }
}

function check<Result>(what: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new ContractViolation(`${what}: ${detail}`, { cause: error });
  }
}
