import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import { exchangeNames } from '../../contracts/names.ts';
import type { QueueDefinition, RoutingKey } from '../../contracts/topology.ts';

export interface WatchOptions {
  channel: Channel;
  keys: readonly RoutingKey[];
  /** Called with every message, including messages that are no events. */
  onMessage: (message: ConsumeMessage) => void;
  /** Called when RabbitMQ ends the consumption because the queue was deleted. */
  onCancel?: () => void;
  /** By default a queue with a name of its own, which RabbitMQ removes soon after nobody consumes it any more. */
  queue?: Pick<QueueDefinition, 'name' | 'arguments'>;
}

/** Consumes everything that is published to `events.topic` from now on, over a temporary queue and without acknowledgements. */
export async function watchEvents({ channel, keys, onMessage, onCancel, queue }: WatchOptions): Promise<void> {
  const { name, arguments: given } = queue ?? ownQueue();
  await channel.assertQueue(name, { durable: true, arguments: given });
  for (const key of keys) await channel.bindQueue(name, exchangeNames.events, key);
  const onDelivery = (message: ConsumeMessage | null): void => (message ? onMessage(message) : onCancel?.());
  await channel.consume(name, onDelivery, { noAck: true });
}

/** It is replicated, because event_broker cannot publish as long as the node of a classic queue is away. */
function ownQueue(): Pick<QueueDefinition, 'name' | 'arguments'> {
  return {
    name: `watch.${randomUUID()}`,
    arguments: {
      'x-queue-type': 'quorum',
      'x-max-length-bytes': 64 * 1024 * 1024,
      'x-overflow': 'drop-head',
      'x-expires': 60_000,
    },
  };
}
