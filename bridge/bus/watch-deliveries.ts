import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, Message } from 'amqplib';
import { CannotWork } from '../../supervision/errors.ts';

interface WatchDeliveriesOptions {
  channel: Channel;
  queue: string;
  everyMs: number;
  signal: AbortSignal;
  /** Whether the consumer would have taken a message, and got none since the last call. */
  isIdle: () => boolean;
  /** Handles a message that RabbitMQ should have delivered. Resolves once the consumer may end. */
  take: (message: Message) => Promise<unknown>;
}

/**
 * Asks the queue for a message whenever its consumer is idle. RabbitMQ gives a message to an idle consumer at once, so a queue that has
 * one has forgotten the consumer: RabbitMQ does not cancel the consumers of a quorum queue whose deletion takes it longer than 5 s.
 *
 * @throws CannotWork when RabbitMQ has forgotten the consumer
 */
export async function watchDeliveries(options: WatchDeliveriesOptions): Promise<void> {
  const { channel, queue, everyMs, signal, isIdle, take } = options;
  for (;;) {
    await delay(everyMs, undefined, { ref: false, signal }).catch(() => undefined);
    if (signal.aborted) return;
    if (!isIdle()) continue;
    const message = await channel.get(queue);
    if (message === false) continue;
    await take(message);
    throw new CannotWork(
      `RabbitMQ does not deliver the messages of ${queue} any more, and has not cancelled the consumer`,
    );
  }
}
