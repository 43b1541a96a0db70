import type { ConfirmChannel, Message } from 'amqplib';
import type { CommandHeaders, CommandMetadata } from '../contracts/envelope.ts';

export interface ConfirmedPublishOptions {
  channel: ConfirmChannel;
  /** `app_id` of what is published. */
  appId: string;
  /** A confirm that has not come by then counts as refused. */
  confirmTimeoutMs?: number;
}

export interface OutgoingMessage {
  exchange: string;
  routingKey: string;
  /** Becomes the JSON of the message. */
  body: unknown;
  metadata: CommandMetadata;
  headers: CommandHeaders;
}

/** Resolves once the message is confirmed, with whether any queue took it; rejects when it is to be published again. */
export type ConfirmedPublish = (message: OutgoingMessage) => Promise<{ routed: boolean }>;

export function createConfirmedPublish(options: ConfirmedPublishOptions): ConfirmedPublish {
  const { channel, appId, confirmTimeoutMs = 10_000 } = options;
  const returned = new Set<string>();
  // A message that no queue takes comes back before its confirm.
  channel.on('return', (message: Message) => returned.add(String(message.properties.messageId)));

  return async ({ exchange, routingKey, body, metadata, headers }) => {
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`RabbitMQ did not confirm ${metadata.type} within ${confirmTimeoutMs} ms`)),
          confirmTimeoutMs,
        );
        channel.publish(
          exchange,
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
            appId,
            headers,
          },
          (error: Error | null) => {
            clearTimeout(timer);
            if (error) reject(error);
            else resolve();
          },
        );
      });
      return { routed: !returned.has(metadata.id) };
    } finally {
      returned.delete(metadata.id);
    }
  };
}
