import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, Message } from 'amqplib';

/** Of more than 32 that come back at once, RabbitMQ 3.10 loses the order (tried): they are under way in an unordered map. */
const batchSize = 30;
const pollMs = 1;
/** A batch normally takes some 40 ms. Another reader that takes letters meanwhile makes the count useless. */
const patienceMs = 2_000;

/** For a batch whose arrival cannot be seen. */
const pauseMs = 150;

export interface GiveBackOptions {
  channel: Channel;
  queue: string;
  /** Of messages that were taken over this channel. */
  deliveryTags: readonly number[];
  /** Whether the account may ask for the number of messages in the queue. */
  canBeCounted: boolean;
}

/** Puts messages back into their queue in this order; returns once they are there. */
export async function giveBack({ channel, queue, deliveryTags, canBeCounted }: GiveBackOptions): Promise<void> {
  if (deliveryTags.length === 0) return;
  const count = async (): Promise<number> => (await channel.checkQueue(queue)).messageCount;
  const others = canBeCounted ? await count() : 0;
  let countIsOfUse = canBeCounted;
  for (let given = 0; given < deliveryTags.length; given += batchSize) {
    const batch = deliveryTags.slice(given, given + batchSize);
    for (const deliveryTag of batch) channel.nack({ fields: { deliveryTag } } as Message, false, true);
    const deadline = Date.now() + patienceMs;
    while (countIsOfUse && (await count()) < others + given + batch.length) {
      countIsOfUse = Date.now() < deadline;
      await delay(pollMs);
    }
    if (!canBeCounted) await delay(pauseMs);
  }
}
