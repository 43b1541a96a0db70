import type { ConfirmChannel, ConsumeMessage, Message } from 'amqplib';
import { deadLetterExchangeName } from '../../contracts/names.ts';
import { serviceOf, type DomainQueueName } from '../../contracts/topology.ts';
import { publishRouted } from './confirmed-publish.ts';
import { toSendable, type Carried } from './sendable-headers.ts';
import { CannotWork } from '../../supervision/errors.ts';

interface DeadLetterOptions {
  channel: ConfirmChannel;
  /** The queue that the message came from; its dead-letter queue gets it. */
  queue: DomainQueueName;
  message: ConsumeMessage;
  /** Becomes the header `dead_letter_reason`. */
  reason: string;
}

const maxReasonLength = 2_000;

/**
 * Resolves once the dead letter is confirmed, so that the original may then be acknowledged: a crash in between repeats
 * the letter, with its message id, and loses nothing.
 *
 * @throws CannotWork when no queue takes the letter; event_broker makes the queue again
 */
export async function deadLetter({ channel, queue, message, reason }: DeadLetterOptions): Promise<void> {
  const { exchange, routingKey } = message.fields;
  const { headers, ...properties } = toSendable(carriedProperties(message));
  const about = toSendable({
    headers: {
      dead_letter_reason: reason.slice(0, maxReasonLength),
      dead_letter_exchange: exchange,
      dead_letter_routing_key: routingKey,
    },
  });
  const { routed } = await publishRouted({
    channel,
    exchange: deadLetterExchangeName(serviceOf(queue)),
    routingKey: queue,
    content: message.content,
    properties: { ...properties, headers: { ...headers, ...about.headers } },
  });
  if (!routed) {
    throw new CannotWork(
      `no queue takes the dead letters of ${queue}. event_broker makes it: start it, if it does not run.`,
    );
  }
}

/** What of a message travels on. What RabbitMQ acts upon does not: it could refuse, expire or multiply the message. */
export function carriedProperties({ properties }: Pick<Message, 'properties'>): Carried {
  const { CC: _cc, BCC: _bcc, ...headers } = properties.headers ?? {};
  const { messageId, type, contentType, contentEncoding, correlationId, timestamp, appId } = properties;
  return { messageId, type, contentType, contentEncoding, correlationId, timestamp, appId, headers };
}
