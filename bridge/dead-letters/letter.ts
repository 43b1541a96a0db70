import { createHash } from 'node:crypto';
import type { Message } from 'amqplib';
import { z } from 'zod';
import type { DeadLetterQueueName, DomainQueueName } from '../../contracts/topology.ts';
import { carriedProperties } from '../bus/dead-letter.ts';

/** A message in a dead-letter queue. */
export interface DeadLetter {
  /** See `letterIdOf`. */
  letterId: string;
  queue: DeadLetterQueueName;
  /** Where it was before, and goes when it is sent again. */
  originQueue: DomainQueueName;
  messageId: string | undefined;
  type: string | undefined;
  /** The instance or agent that it is about. */
  subject: string | undefined;
  sequence: number | undefined;
  reason: string;
  /** When it died, where RabbitMQ noted it; else the time of its event. */
  time: Date | undefined;
  sizeBytes: number;
}

/** A dead-letter queue, and the queue that it is for. */
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

export function toDeadLetter({ name, origin }: LetterQueue, message: Message): DeadLetter {
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
 * Sixteen hexadecimal digits made of the queue and of all that the message said before it died: message ids may be
 * missing or not unique. A letter that is sent again and dies again has the same; so have copies of one message in one
 * queue, which do not differ in anything else.
 */
export function letterIdOf(queue: DeadLetterQueueName, message: Message): string {
  const { headers, ...properties } = carriedProperties(message);
  return createHash('sha256')
    .update(JSON.stringify([queue, properties, inOrder(withoutDeath(headers))]))
    .update(message.content)
    .digest('hex')
    .slice(0, 16);
}

/** Without what was added when the message died, by a consumer or by RabbitMQ. */
export function withoutDeath(headers: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofDeath.test(name)));
}

const ofDeath = /^(dead_letter_|x-death$|x-(first|last)-death-|x-(delivery|acquired)-count$)/;

/** Tables of AMQP have an order, which nobody promises to keep. */
function inOrder(headers: Record<string, unknown>): [string, unknown][] {
  return Object.entries(headers).toSorted(([one], [other]) => (one < other ? -1 : 1));
}
