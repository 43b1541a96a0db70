import type { ConfirmChannel, Message } from 'amqplib';
import { toWireHeaders } from '../contracts/envelope.ts';
import { exchangeNames } from '../contracts/names.ts';
import type { OutgoingEvent } from './translate.ts';

export interface PublisherOptions {
  channel: ConfirmChannel;
  /** A confirm that has not come by then counts as refused: the event is published again, with the same id. */
  confirmTimeoutMs?: number;
}

/** Resolves once the event is routed to a queue and confirmed; otherwise it is to be published again. */
export type Publish = (event: OutgoingEvent) => Promise<void>;

export function createPublisher({ channel, confirmTimeoutMs = 10_000 }: PublisherOptions): Publish {
  const returned = new Map<string, string>();
  // A message that no queue takes comes back before its confirm.
  channel.on('return', (message: Message) => {
    returned.set(String(message.properties.messageId), (message.fields as { replyText?: string }).replyText ?? '');
  });

  return async ({ routingKey, body, metadata }) => {
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`RabbitMQ did not confirm ${metadata.type} within ${confirmTimeoutMs} ms`)),
          confirmTimeoutMs,
        );
        channel.publish(
          exchangeNames.events,
          routingKey,
          Buffer.from(JSON.stringify(body)),
          {
            mandatory: true,
            persistent: true,
            contentType: 'application/json',
            contentEncoding: 'utf-8',
            messageId: metadata.id,
            type: metadata.type,
            correlationId: metadata.correlationId,
            timestamp: Math.floor(Date.parse(metadata.time) / 1000),
            appId: 'event_broker',
            headers: toWireHeaders(metadata),
          },
          (error: Error | null) => {
            clearTimeout(timer);
            if (error) reject(error);
            else resolve();
          },
        );
      });
      const replyText = returned.get(metadata.id);
      if (replyText !== undefined) throw new Error(`No queue takes ${routingKey} (${replyText})`);
    } finally {
      returned.delete(metadata.id);
    }
  };
}
