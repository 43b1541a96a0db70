import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, Message } from 'amqplib';

/** Bounds the memory of what is in hand: a message may have 16 MiB. */
const batchSize = 10;
/** Between two messages that are there for certain, unless another reader takes them at the same moment. */
const silenceMs = 2_000;

/**
 * Takes the oldest messages of a queue without acknowledging them, as many as make a batch or as `most` says. A `get` for each
 * would cost a round trip each. The channel must have no other consumer.
 *
 * @returns nothing once the queue is empty
 */
export async function takeBatch(channel: Channel, queue: string, most: number): Promise<Message[]> {
  const first = most > 0 && (await channel.get(queue));
  if (!first) return [];
  const others = Math.min(batchSize, most, first.fields.messageCount + 1) - 1;
  return [first, ...(others > 0 ? await consume(channel, queue, others) : [])];
}

async function consume(channel: Channel, queue: string, count: number): Promise<Message[]> {
  const messages: Message[] = [];
  const consumerTag = randomUUID();
  let arrive: () => void = () => undefined;
  // No more than these are sent while none of them is acknowledged.
  await channel.prefetch(count);
  await channel.consume(
    queue,
    (message) => {
      if (message) messages.push(message);
      arrive();
    },
    { consumerTag },
  );
  for (let before = -1; messages.length < count && messages.length > before;) {
    before = messages.length;
    const silence = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => {
        arrive = resolve;
      }),
      delay(silenceMs, undefined, { signal: silence.signal }).catch(() => undefined),
    ]);
    silence.abort();
  }
  // Messages that are under way when it ends come before the answer.
  await channel.cancel(consumerTag);
  return messages;
}
