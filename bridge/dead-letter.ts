import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import { exchangeNames } from '../contracts/names.ts';

export interface DeadLetter {
  channel: ConfirmChannel;
  /** The queue that the message came from; its dead-letter queue gets it. */
  queue: string;
  message: ConsumeMessage;
  /** Becomes the header `dead_letter_reason`. */
  reason: string;
}

/** A header travels in one frame with all the others. */
const maxReasonLength = 2_000;

/**
 * Resolves once the dead letter is confirmed, so that the original may then be acknowledged: a crash in between repeats
 * the letter, with its message id, and loses nothing.
 */
export async function deadLetter({ channel, queue, message, reason }: DeadLetter): Promise<void> {
  const { exchange, routingKey } = message.fields;
  // Properties that RabbitMQ acts upon are not taken over: they could refuse, expire or multiply the letter.
  const { CC: _cc, BCC: _bcc, ...headers } = message.properties.headers ?? {};
  const { messageId, type, contentType, contentEncoding, correlationId, timestamp, appId } = message.properties;
  await new Promise<void>((resolve, reject) => {
    channel.publish(
      exchangeNames.deadLetters,
      queue,
      message.content,
      {
        mandatory: true,
        persistent: true,
        messageId,
        type,
        contentType,
        contentEncoding,
        correlationId,
        timestamp,
        appId,
        headers: {
          ...headers,
          dead_letter_reason: reason.slice(0, maxReasonLength),
          dead_letter_exchange: exchange,
          dead_letter_routing_key: routingKey,
        },
      },
      (error: Error | null) => (error ? reject(error) : resolve()),
    );
  });
}
