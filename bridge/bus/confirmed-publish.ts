import type { ConfirmChannel, Message, Options } from 'amqplib';
import type { CommandHeaders, CommandMetadata } from '../../contracts/envelope.ts';
import { isBlocked } from './resource-alarm.ts';
import { amqpLimits } from './time-limits.ts';

export interface OutgoingMessage {
  exchange: string;
  routingKey: string;
  body: unknown;
  metadata: CommandMetadata;
  headers: CommandHeaders;
}

/** Resolves to whether any queue took the message, once it is confirmed; rejects when it has to be published again. */
export type ConfirmedPublish = (message: OutgoingMessage) => Promise<{ routed: boolean }>;

export function createConfirmedPublish(channel: ConfirmChannel, appId: string): ConfirmedPublish {
  const returned = new Set<string>();
  // RabbitMQ returns a message that no queue takes before it confirms the message.
  channel.on('return', (message: Message) => returned.add(String(message.properties.messageId)));

  return async ({ exchange, routingKey, body, metadata, headers }) => {
    try {
      await publishConfirmed({
        channel,
        exchange,
        routingKey,
        content: Buffer.from(JSON.stringify(body)),
        properties: {
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          messageId: metadata.id,
          type: metadata.type,
          correlationId: metadata.correlationId,
          timestamp: Math.floor(Date.parse(metadata.time) / 1000),
          appId,
          headers,
        },
      });
      return { routed: !returned.has(metadata.id) };
    } finally {
      returned.delete(metadata.id);
    }
  };
}

interface PublishConfirmedOptions {
  channel: ConfirmChannel;
  exchange: string;
  routingKey: string;
  content: Buffer;
  properties: Options.Publish;
}

/**
 * Publishes a mandatory, persistent message. Rejects when RabbitMQ refuses the message, or does not confirm it within
 * `amqpLimits.confirmMs`. During a resource alarm RabbitMQ confirms nothing, so that time starts anew.
 */
function publishConfirmed(options: PublishConfirmedOptions): Promise<void> {
  const { channel, exchange, routingKey, content, properties } = options;
  const { confirmMs } = amqpLimits;
  return new Promise((resolve, reject) => {
    let isOver = false;
    channel.publish(
      exchange,
      routingKey,
      content,
      { ...properties, mandatory: true, persistent: true },
      (error: Error | null) => {
        isOver = true;
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      },
    );
    const giveUp = (): void => {
      if (isOver) return;
      if (isBlocked(channel)) timer.refresh();
      else reject(new Error(`RabbitMQ did not confirm ${properties.type ?? 'a message'} within ${confirmMs} ms`));
    };
    // A process that was kept from running finds its timers over before it reads what has arrived in time.
    const timer = setTimeout(() => setImmediate(giveUp), confirmMs);
  });
}

const lastPublication = new WeakMap<ConfirmChannel, Promise<unknown>>();

/**
 * Publishes any message, and resolves to whether a queue took it. A returned message cannot be recognized by its id, which may be
 * missing or repeated, so only one message at a time is under way on a channel.
 */
export async function publishRouted(options: PublishConfirmedOptions): Promise<{ routed: boolean }> {
  const { channel } = options;
  const publish = async (): Promise<{ routed: boolean }> => {
    let routed = true;
    const onReturn = (): void => {
      routed = false;
    };
    channel.on('return', onReturn);
    try {
      await publishConfirmed(options);
      return { routed };
    } finally {
      channel.off('return', onReturn);
    }
  };
  const published = (lastPublication.get(channel) ?? Promise.resolve()).then(publish);
  lastPublication.set(
    channel,
    published.catch(() => undefined),
  );
  return published;
}
