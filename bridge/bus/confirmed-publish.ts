import type { ConfirmChannel, Message, Options } from 'amqplib';
import type { CommandHeaders, CommandMetadata } from '../../contracts/envelope.ts';
import { isBlocked } from './resource-alarm.ts';
import { amqpLimits } from './time-limits.ts';

export interface ConfirmedPublishOptions {
  channel: ConfirmChannel;
  /** `app_id` of what is published. */
  appId: string;
  /** A confirm that has not come by then counts as refused; an alarm of RabbitMQ is waited out. */
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
  const { channel, appId, confirmTimeoutMs = amqpLimits.confirmMs } = options;
  const returned = new Set<string>();
  // A message that no queue takes comes back before its confirm.
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
        confirmTimeoutMs,
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
  confirmTimeoutMs?: number;
}

/**
 * Mandatory and persistent; rejects when RabbitMQ refuses the message, or has not confirmed it in time. What was published during an
 * alarm waits on its way, and is confirmed once the alarm is over.
 */
function publishConfirmed(options: PublishConfirmedOptions): Promise<void> {
  const { channel, exchange, routingKey, content, properties, confirmTimeoutMs = amqpLimits.confirmMs } = options;
  return new Promise((resolve, reject) => {
    channel.publish(
      exchange,
      routingKey,
      content,
      { ...properties, mandatory: true, persistent: true },
      (error: Error | null) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      },
    );
    const giveUp = (): void => {
      if (isBlocked(channel)) timer.refresh();
      else
        reject(new Error(`RabbitMQ did not confirm ${properties.type ?? 'a message'} within ${confirmTimeoutMs} ms`));
    };
    const timer = setTimeout(giveUp, confirmTimeoutMs);
  });
}

/** The publication that is under way on a channel: what comes back belongs to it. */
const underWay = new WeakMap<ConfirmChannel, Promise<unknown>>();

/**
 * The same, one message at a time on its channel, and tells whether a queue took it: ids, by which several could be told
 * apart, may be missing or repeated.
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
  const published = (underWay.get(channel) ?? Promise.resolve()).then(publish);
  underWay.set(
    channel,
    published.catch(() => undefined),
  );
  return published;
}
