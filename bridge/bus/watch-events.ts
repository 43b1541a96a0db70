import type { Channel, ConsumeMessage, Options } from 'amqplib';
import { exchangeNames } from '../../contracts/names.ts';
import type { RoutingKey } from '../../contracts/topology.ts';

export interface WatchOptions {
  channel: Channel;
  keys: readonly RoutingKey[];
  /** Called with every message, including messages that are no events. */
  onMessage: (message: ConsumeMessage) => void;
  /** Called when RabbitMQ ends the consumption because the queue was deleted. */
  onCancel?: () => void;
  /** By default a queue that RabbitMQ names, and that is deleted with the connection. */
  queue?: Options.AssertQueue & { name: string };
}

/** Consumes everything that is published to `events.topic` from now on, over a temporary queue and without acknowledgements. */
export async function watchEvents({ channel, keys, onMessage, onCancel, queue }: WatchOptions): Promise<void> {
  const { name, ...properties } = queue ?? { name: '', exclusive: true };
  const declared = await channel.assertQueue(name, properties);
  for (const key of keys) await channel.bindQueue(declared.queue, exchangeNames.events, key);
  const onDelivery = (message: ConsumeMessage | null): void => (message ? onMessage(message) : onCancel?.());
  await channel.consume(declared.queue, onDelivery, { noAck: true });
}
