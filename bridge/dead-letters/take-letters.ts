import type { ConfirmChannel, Message } from 'amqplib';
import { deadLetterQueueOf, domainQueueNames, type DeadLetterQueueName } from '../../contracts/topology.ts';
import { openAmqp, type AmqpConnection } from '../bus/connection.ts';
import { isClosedWith, refusals } from '../bus/refusal.ts';
import { CannotWork } from '../../supervision/errors.ts';
import { assertTakesMessages } from '../bus/topology.ts';
import { giveBack } from './give-back.ts';
import { letterIdOf, type LetterQueue } from './letter.ts';
import { takeBatch } from './take-batch.ts';

export interface LettersOptions {
  /** The account needs the right to read the dead-letter queues, and to send letters again also to write to `events.sent_again`. */
  amqpUrl: string;
  queue?: DeadLetterQueueName | undefined;
  connectionName?: string;
  /** The exchange that letters will be published to, if any. */
  publishTo?: string;
}

export interface TakenLetter {
  queue: LetterQueue;
  channel: ConfirmChannel;
  message: Message;
  acknowledge: () => void;
}

interface OpenedQueue {
  queue: LetterQueue;
  waiting: number;
  /** Yields the oldest letter first. When the loop ends, letters that were not acknowledged return to their places. */
  take: () => AsyncGenerator<TakenLetter, void, void>;
}

/**
 * Opens one dead-letter queue after the other until `visit` is done. With `publishTo`, no letter is taken before RabbitMQ has shown
 * that it accepts messages, because a blocked connection would keep the taken letters from all other readers.
 *
 * AMQP cannot read a queue without taking its messages: they are taken unacknowledged, then given back. Meanwhile another
 * reader finds the queue empty. After a crash RabbitMQ gives them back, perhaps in another order. They come back marked as
 * redelivered, with a higher delivery count; the delivery limit of the queues allows for that.
 *
 * @throws Error that names the server and the setting to check, if RabbitMQ cannot be used
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
      const count = await countOf(amqp, name);
      const channel = await amqp.openChannel();
      const opened = { name, origin };
      const take = () => takeLetters(channel, opened, count);
      if ((await visit({ queue: opened, waiting: count.waiting, take })) === 'done') return;
    }
  };
  try {
    // A refused publication only shows as a broken channel.
    await Promise.race([visitAll(), amqp.broken]);
  } catch (error) {
    throw amqp.explain(error);
  } finally {
    await amqp.close();
  }
}

export interface FindOptions extends LettersOptions {
  letterId: string;
}

/**
 * Finds a letter by its id, and of several copies the oldest. Every letter that `use` does not acknowledge stays in its place.
 *
 * @returns undefined when there is no such letter, or another reader has taken it at the moment
 */
export async function findLetter<Result>(
  { letterId, ...options }: FindOptions,
  use: (letter: TakenLetter) => Result | Promise<Result>,
): Promise<Result | undefined> {
  let result: Result | undefined;
  await visitQueues(options, async ({ queue, take }) => {
    for await (const letter of take()) {
      if (letterIdOf(queue.name, letter.message) !== letterId) continue;
      result = await use(letter);
      return 'done';
    }
    return 'next';
  });
  return result;
}

/** Without the exchange there may be no letters either, so its absence is no error. */
function unlessMissing(error: unknown): void {
  if (!(error instanceof CannotWork)) throw error;
}

/**
 * RabbitMQ puts a returned message behind all messages that returned before, and in front of all that were never taken. When a loop
 * ends early, the remaining messages that had returned before are therefore taken as well, or they would end up in front.
 */
async function* takeLetters(
  channel: ConfirmChannel,
  queue: LetterQueue,
  { waiting, canBeCounted }: Count,
): AsyncGenerator<TakenLetter, void, void> {
  /** Only the delivery tags are kept, because there may be very many messages of up to 16 MiB. */
  const kept = new Set<number>();
  let taken = 0;
  let lastCameBack = false;
  const takeSome = async (): Promise<Message[]> => {
    const messages = await takeBatch(channel, queue.name, waiting - taken);
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
        yield { queue, channel, message, acknowledge };
      }
    }
  } finally {
    while (lastCameBack) await takeSome();
    await giveBack(channel, queue.name, [...kept], canBeCounted);
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
    // RabbitMQ 4.2.6 and 4.3.0 require the right to configure the queue for this, which only event_broker has.
    if (isClosedWith(error, refusals.accessRefused)) return countByTaking(amqp, queue);
    throw error;
  }
}

/** Needs only the right to read the queue: the answer to a `get` says how many messages are left. */
async function countByTaking(amqp: AmqpConnection, queue: DeadLetterQueueName): Promise<Count> {
  const channel = await amqp.openSeparateChannel();
  const message = await channel.get(queue);
  // The message returns to its place when the channel closes.
  await channel.close();
  return { waiting: message ? (message.fields.messageCount ?? 0) + 1 : 0, canBeCounted: false };
}
