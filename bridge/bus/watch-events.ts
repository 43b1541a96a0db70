import type { Channel, ConsumeMessage } from 'amqplib';
import { exchangeNames } from '../../contracts/names.ts';
import type { RoutingKey } from '../../contracts/topology.ts';

export interface WatchOptions {
  channel: Channel;
  keys: readonly RoutingKey[];
  /** Called with whatever comes, be it an event or not. */
  onMessage: (message: ConsumeMessage) => void;
}

/** Shows what comes over `events.topic` from now on, through a queue of its own that goes with the connection. */
export async function watchEvents({ channel, keys, onMessage }: WatchOptions): Promise<void> {
  const { events } = exchangeNames;
  const { queue } = await channel.assertQueue('', { exclusive: true });
  for (const key of keys) await channel.bindQueue(queue, events, key);
  await channel.consume(queue, (message) => message && onMessage(message), { noAck: true });
}
