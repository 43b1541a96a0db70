import type { ConfirmChannel, Message } from 'amqplib';
import { deadLetterQueueOf, domainQueueNames, type DeadLetterQueueName } from '../../contracts/topology.ts';
import { openAmqp, type AmqpConnection } from '../bus/connection.ts';
import { isClosedWith, refusals } from '../bus/refusal.ts';
import { CannotWork } from '../../supervision/errors.ts';
import { assertTakesMessages } from '../bus/topology.ts';
import { giveBack } from './give-back.ts';
import type { LetterQueue } from './letter.ts';
import { takeBatch } from './take-batch.ts';

export interface LettersOptions {
  /** Of an account that may read the dead-letter queues; to send letters again, also write to `events.sent_again`. */
  amqpUrl: string;
  /** All when left out. */
  queue?: DeadLetterQueueName | undefined;
  /** Shown in RabbitMQ's management page. */
  connectionName?: string;
  /** The exchange that letters are to be published to, if any. */
  publishTo?: string;
}

export interface TakenLetter {
  message: Message;
  /** Takes it out of the queue for good. */
  acknowledge: () => void;
}

export interface OpenedQueue extends LetterQueue {
  channel: ConfirmChannel;
  /** How many letters are in it. */
  waiting: number;
  /** The oldest first. When the loop over them ends, those that were not acknowledged go back to their places. */
  take: () => AsyncGenerator<TakenLetter, void, void>;
}

/**
 * Opens the queues one after the other, until the visitor has what it wants. Where it publishes to an exchange, nothing is taken
 * before RabbitMQ has shown that it takes messages: a connection that is blocked keeps what it has taken from all others.
 *
 * AMQP has no way to look without taking: the messages of a queue are taken unacknowledged, then given back. Meanwhile
 * another reader finds the queue empty; a crash in between gives them back, too, but perhaps in another order. They come
 * back marked as redelivered and their delivery count is one higher, which the queue's own delivery limit allows for.
 *
 * @throws Error naming the server and what to check, when RabbitMQ cannot be used
 */
export async function visitQueues(
  { amqpUrl, queue, connectionName = 'dead letters', publishTo }: LettersOptions,
  visit: (queue: OpenedQueue) => Promise<'next' | 'done'>,
): Promise<void> {
  const amqp = await openAmqp({ amqpUrl, connectionName });
  const visitAll = async (): Promise<void> => {
    if (publishTo !== undefined)
      await assertTakesMessages(await amqp.openSeparateChannel(), publishTo).catch(unlessMissing);
    for (const origin of domainQueueNames) {
      const name = deadLetterQueueOf(origin);
      if (queue !== undefined && queue !== name) continue;
      const { waiting, canBeCounted } = await countOf(amqp, name);
      const channel = await amqp.openChannel();
      const take = () => takeLetters({ channel, queue: name, waiting, canBeCounted });
      if ((await visit({ name, origin, channel, waiting, take })) === 'done') return;
    }
  };
  try {
    // What RabbitMQ refuses shows there, in its own words.
    await Promise.race([visitAll(), amqp.broken]);
  } catch (error) {
    throw amqp.explain(error);
  } finally {
    await amqp.close();
  }
}

/** Where the exchange is missing, there may be no letters either. */
function unlessMissing(error: unknown): void {
  if (!(error instanceof CannotWork)) throw error;
}

/**
 * RabbitMQ puts a message that comes back behind all that came back before, and in front of all that were never taken. After
 * a loop that ends early, the others that had come back before are therefore taken, too: else they would be in front.
 */
async function* takeLetters({
  channel,
  queue,
  waiting,
  canBeCounted,
}: {
  channel: ConfirmChannel;
  queue: DeadLetterQueueName;
  waiting: number;
  canBeCounted: boolean;
}): AsyncGenerator<TakenLetter, void, void> {
  /** Delivery tags, since a message may have 16 MiB, and there may be very many. */
  const kept = new Set<number>();
  let taken = 0;
  let lastCameBack = false;
  const takeSome = async (): Promise<Message[]> => {
    const messages = await takeBatch(channel, queue, waiting - taken);
    taken += messages.length;
    lastCameBack = messages.at(-1)?.fields.redelivered ?? false;
    for (const { fields } of messages) kept.add(fields.deliveryTag);
    return messages;
  };
  try {
    for (let messages = await takeSome(); messages.length > 0; messages = await takeSome()) {
      for (const message of messages) {
        const acknowledge = (): void => {
          channel.ack(message);
          kept.delete(message.fields.deliveryTag);
        };
        yield { message, acknowledge };
      }
    }
  } finally {
    while (lastCameBack) await takeSome();
    await giveBack({ channel, queue, deliveryTags: [...kept], canBeCounted });
  }
}

interface Count {
  waiting: number;
  /** Whether this account may ask for the number of messages without taking one. */
  canBeCounted: boolean;
}

/** A queue that does not exist (yet) is empty. */
async function countOf(amqp: AmqpConnection, queue: DeadLetterQueueName): Promise<Count> {
  const channel = await amqp.openSeparateChannel();
  try {
    const { messageCount } = await channel.checkQueue(queue);
    await channel.close();
    return { waiting: messageCount, canBeCounted: true };
  } catch (error) {
    if (isClosedWith(error, refusals.notFound)) return { waiting: 0, canBeCounted: false };
    // RabbitMQ 4.2.6 and 4.3.0 ask for the right to configure the queue, of which only event_broker needs to have one.
    if (isClosedWith(error, refusals.accessRefused)) return countByTaking(amqp, queue);
    throw error;
  }
}

/** With the right to read the queue alone: the answer to a `get` says how many messages are left. */
async function countByTaking(amqp: AmqpConnection, queue: DeadLetterQueueName): Promise<Count> {
  const channel = await amqp.openSeparateChannel();
  const message = await channel.get(queue);
  // What was not acknowledged goes back to its place when the channel closes.
  await channel.close();
  return { waiting: message ? (message.fields.messageCount ?? 0) + 1 : 0, canBeCounted: false };
}
