import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, Message } from 'amqplib';

/** RabbitMQ 3.10 was seen to lose the order of more than 32 messages that return at once, which it keeps in an unordered map. */
const batchSize = 30;
const pollMs = 1;
/** A batch normally takes some 40 ms. The count is useless while another reader takes letters. */
const patienceMs = 2_000;

/** How long to wait for a batch if the account may not count messages. */
const pauseMs = 150;

/**
 * Returns the messages that were taken over this channel to their queue in this order, and resolves once they are there.
 *
 * @param canBeCounted whether the account may ask for the number of messages in the queue
 */
export async function giveBack(
  channel: Channel,
  queue: string,
  deliveryTags: readonly number[],
  canBeCounted: boolean,
): Promise<void> {
  if (deliveryTags.length === 0) return;
  const count = async (): Promise<number> => (await channel.checkQueue(queue)).messageCount;
  const others = canBeCounted ? await count() : 0;
  let countIsOfUse = canBeCounted;
  for (let given = 0; given < deliveryTags.length; given += batchSize) {
    const batch = deliveryTags.slice(given, given + batchSize);
    for (const deliveryTag of batch) channel.nack({ fields: { deliveryTag } } as Message, false, true);
    const deadline = Date.now() + patienceMs;
    while (countIsOfUse) {
      // After a pause of this process or of RabbitMQ the messages may have come, so that they are counted once more.
      const isLast = Date.now() >= deadline;
      if ((await count()) >= others + given + batch.length) break;
      if (isLast) countIsOfUse = false;
      await delay(pollMs);
    }
    if (!canBeCounted) await delay(pauseMs);
  }
}
