import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, Message } from 'amqplib';

/** Bounds the memory of one batch: a message may have 16 MiB. */
const batchSize = 10;
/** How long to wait for the next message of a batch, which comes unless another reader has taken it. */
const silenceMs = 2_000;

/**
 * Takes the oldest messages of a queue, at most a batch and at most `most`, without acknowledging them. It consumes, because a
 * `get` for each message would cost a round trip each. The channel must have no other consumer.
 *
 * @returns an empty array once the queue is empty
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
  // RabbitMQ sends no more than these while none of them is acknowledged.
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
  // Messages on their way arrive before the answer to the cancellation.
  await channel.cancel(consumerTag);
  return messages;
}
