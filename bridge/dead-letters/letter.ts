import { createHash } from 'node:crypto';
import type { Message } from 'amqplib';
import { z } from 'zod';
import type { DeadLetterQueueName, DomainQueueName } from '../../contracts/topology.ts';
import { carriedProperties } from '../bus/dead-letter.ts';

export interface DeadLetter {
  letterId: string;
  queue: DeadLetterQueueName;
  /** The queue that the message came from, and goes to when it is sent again. */
  originQueue: DomainQueueName;
  messageId: string | undefined;
  type: string | undefined;
  /** Id of the instance or agent that the message is about. */
  subject: string | undefined;
  sequence: number | undefined;
  reason: string;
  /** When RabbitMQ dead-lettered the message, if it did; else the time of the event. */
  time: Date | undefined;
  sizeBytes: number;
}

/** A dead-letter queue, and the queue whose messages it keeps. */
export interface LetterQueue {
  name: DeadLetterQueueName;
  origin: DomainQueueName;
}

const lastSecond = 8_640_000_000_000;
const death = z.object({ time: z.object({ value: z.number().min(-lastSecond).max(lastSecond) }), reason: z.string() });

const knownHeaders = z.object({
  dead_letter_reason: z.string().optional().catch(undefined),
  'x-death': z.array(death).optional().catch(undefined),
  'cloudEvents:subject': z.string().optional().catch(undefined),
  'cloudEvents:sequence': z.coerce.number().int().optional().catch(undefined),
  'cloudEvents:time': z.iso.datetime({ offset: true }).optional().catch(undefined),
});

export function toDeadLetter({ queue, message }: { queue: LetterQueue; message: Message }): DeadLetter {
  const { name, origin } = queue;
  const { messageId, type, headers } = carriedProperties(message);
  const known = knownHeaders.parse(headers);
  const [byBroker] = known['x-death'] ?? [];
  const eventTime = known['cloudEvents:time'];
  return {
    letterId: letterIdOf(name, message),
    queue: name,
    originQueue: origin,
    messageId,
    type,
    subject: known['cloudEvents:subject'],
    sequence: known['cloudEvents:sequence'],
    reason: known.dead_letter_reason ?? (byBroker ? `RabbitMQ gave it up: ${byBroker.reason}` : 'no reason is given'),
    time: byBroker ? new Date(byBroker.time.value * 1000) : eventTime === undefined ? undefined : new Date(eventTime),
    sizeBytes: message.content.length,
  };
}

/**
 * Computes the id of a letter, 16 hexadecimal digits, from its queue and its original headers, properties and body, because message
 * ids may be missing or repeated. A letter that is sent again and dead-lettered again keeps its id. Identical copies of a
 * message in one queue share an id.
 */
export function letterIdOf(queue: DeadLetterQueueName, message: Message): string {
  const { headers, ...properties } = carriedProperties(message);
  return createHash('sha256')
    .update(JSON.stringify([queue, properties, inOrder(originalHeaders(headers))]))
    .update(message.content)
    .digest('hex')
    .slice(0, 16);
}

/** Removes the headers that a consumer or RabbitMQ added when the message was dead-lettered. */
export function originalHeaders(headers: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !addedHeader.test(name)));
}

const addedHeader = /^(dead_letter_|x-death$|x-(first|last)-death-|x-(delivery|acquired)-count$)/;

/** Sorts the headers, because AMQP does not promise to keep their order. */
function inOrder(headers: Record<string, unknown>): [string, unknown][] {
  return Object.entries(headers).toSorted(([one], [other]) => (one < other ? -1 : 1));
}
