import type { Message } from 'amqplib';
import { exchangeNames } from '../../contracts/names.ts';
import { publishRouted } from '../bus/confirmed-publish.ts';
import { carriedProperties } from '../bus/dead-letter.ts';
import { toSendable } from '../bus/sendable-headers.ts';
import { errorMessage } from '../../supervision/errors.ts';
import { NotInEventLog } from './check-against-log.ts';
import { toDeadLetter, originalHeaders, type DeadLetter } from './letter.ts';
import { findLetter, visitQueues, type FindOptions, type LettersOptions, type TakenLetter } from './take-letters.ts';

const publishTo = exchangeNames.sentAgain;

/** Checks that a letter is a genuine event. @throws NotInEventLog if it is not; the letter then stays in its place */
export type CheckLetter = (message: Message) => Promise<void>;

/**
 * Publishes the original message of a letter to the queue that it came from. If nothing has changed, the consumer dead-letters it
 * again, with the same letter id.
 *
 * At least once: the letter is acknowledged after the confirm, so that a crash in between repeats the message with the same
 * message id.
 *
 * @throws Error when RabbitMQ does not take the message or the check refuses it; the letter then stays in its place
 */
export async function sendAgain({
  check,
  ...options
}: FindOptions & { check: CheckLetter }): Promise<'sent' | 'not found'> {
  const sent = await findLetter({ ...options, publishTo }, async (found) => {
    await check(found.message);
    await send(found);
    return 'sent' as const;
  });
  return sent ?? 'not found';
}

export interface SendAllOptions extends LettersOptions {
  check: CheckLetter;
  onSent?: (letter: DeadLetter) => void;
  /** Called with a letter that the check refuses. It stays in its place, and the following letters are sent. */
  onRefused?: (letter: DeadLetter, reason: NotInEventLog) => void;
}

/**
 * Sends all letters that exist at the start again, in their order. A letter that is dead-lettered again meanwhile is not sent a
 * second time.
 *
 * @returns how many were sent
 * @throws Error when RabbitMQ does not take a message; its letter and all letters behind it stay in their places
 */
export async function sendAllAgain(options: SendAllOptions): Promise<number> {
  const { check, onSent = () => undefined, onRefused = () => undefined, ...letters } = options;
  let count = 0;
  await visitQueues({ ...letters, publishTo }, async ({ take }) => {
    for await (const letter of take()) {
      const deadLetter = toDeadLetter(letter);
      try {
        await check(letter.message);
      } catch (error) {
        if (!(error instanceof NotInEventLog)) throw error;
        onRefused(deadLetter, error);
        continue;
      }
      await send(letter);
      count += 1;
      onSent(deadLetter);
    }
    return 'next';
  });
  return count;
}

async function send({ queue: { name, origin }, channel, message, acknowledge }: TakenLetter): Promise<void> {
  const { headers, ...properties } = carriedProperties(message);
  let routed = false;
  try {
    ({ routed } = await publishRouted({
      channel,
      exchange: publishTo,
      routingKey: origin,
      content: message.content,
      properties: toSendable({ ...properties, headers: originalHeaders(headers) }),
    }));
  } catch (error) {
    throw new Error(
      `RabbitMQ does not take a letter into ${origin}: ${errorMessage(error)}. See whether that queue is full; ` +
        `the letter stays in ${name}.`,
      { cause: error },
    );
  }
  if (!routed) {
    throw new Error(
      `There is no queue ${origin}: start event_broker, or npm run contracts:check -- --apply. ` +
        `The letter stays in ${name}.`,
    );
  }
  acknowledge();
}
