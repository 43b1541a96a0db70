import { serialize } from 'node:v8';
import type { ConfirmChannel, ConsumeMessage, Message, MessageProperties } from 'amqplib';
import { deadLetterExchangeName } from '../contracts/names.ts';
import { serviceOf, type DomainQueueName } from '../contracts/topology.ts';

interface DeadLetterOptions {
  channel: ConfirmChannel;
  /** The queue that the message came from; its dead-letter queue gets it. */
  queue: DomainQueueName;
  message: ConsumeMessage;
  /** Becomes the header `dead_letter_reason`. */
  reason: string;
}

type Carried = Pick<
  MessageProperties,
  'messageId' | 'type' | 'contentType' | 'contentEncoding' | 'correlationId' | 'timestamp' | 'appId'
> & { headers: Record<string, unknown> };

/** A header travels in one frame with all the others, of which the client encodes 64 KiB. */
const maxReasonLength = 2_000;
const maxHeaderBytes = 48 * 1024;

/**
 * Resolves once the dead letter is confirmed, so that the original may then be acknowledged: a crash in between repeats
 * the letter, with its message id, and loses nothing.
 */
export async function deadLetter({ channel, queue, message, reason }: DeadLetterOptions): Promise<void> {
  const { exchange, routingKey } = message.fields;
  const { headers, ...properties } = carriedProperties(message);
  await new Promise<void>((resolve, reject) => {
    channel.publish(
      deadLetterExchangeName(serviceOf(queue)),
      queue,
      message.content,
      {
        mandatory: true,
        persistent: true,
        ...properties,
        headers: {
          ...fitting(headers),
          dead_letter_reason: reason.slice(0, maxReasonLength),
          dead_letter_exchange: exchange,
          dead_letter_routing_key: routingKey,
        },
      },
      (error: Error | null) => (error ? reject(error) : resolve()),
    );
  });
}

/** What of a message travels on. What RabbitMQ acts upon does not: it could refuse, expire or multiply the message. */
export function carriedProperties({ properties }: Pick<Message, 'properties'>): Carried {
  const { CC: _cc, BCC: _bcc, ...headers } = properties.headers ?? {};
  const { messageId, type, contentType, contentEncoding, correlationId, timestamp, appId } = properties;
  return { messageId, type, contentType, contentEncoding, correlationId, timestamp, appId, headers };
}

/** Leaves out what is too long: a letter that cannot be sent would have its message delivered again and again. */
function fitting(headers: Record<string, unknown>): Record<string, unknown> {
  let left = maxHeaderBytes;
  const kept = Object.entries(headers).filter((entry) => {
    const { byteLength } = serialize(entry);
    if (byteLength > left) return false;
    left -= byteLength;
    return true;
  });
  return Object.fromEntries(kept);
}
