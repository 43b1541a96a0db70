import type { ConfirmChannel, Message } from 'amqplib';
import { deadLetterExchangeName } from '../../contracts/names.ts';
import { serviceOf, type DomainQueueName } from '../../contracts/topology.ts';
import { publishRouted } from './confirmed-publish.ts';
import { toSendable, type Carried } from './sendable-headers.ts';
import { CannotWork } from '../../supervision/errors.ts';

interface DeadLetterOptions {
  channel: ConfirmChannel;
  queue: DomainQueueName;
  message: Message;
  /** Becomes the header `dead_letter_reason`. */
  reason: string;
}

const maxReasonLength = 2_000;

/**
 * Publishes a message to the dead-letter queue of its queue, at least once: acknowledge the message when this resolves. A crash in
 * between repeats the letter with the same message id.
 *
 * @throws CannotWork when no queue takes the letter; event_broker declares the queue again
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
      `no queue takes the dead letters of ${queue}. event_broker declares it: start event_broker, if it does not run.`,
    );
  }
}

/** What is kept when a message is published again. RabbitMQ would act on other properties: refuse, expire or copy the message. */
export function carriedProperties({ properties }: Pick<Message, 'properties'>): Carried {
  const { CC: _cc, BCC: _bcc, ...headers } = properties.headers ?? {};
  const { messageId, type, contentType, contentEncoding, correlationId, timestamp, appId } = properties;
  return { messageId, type, contentType, contentEncoding, correlationId, timestamp, appId, headers };
}
