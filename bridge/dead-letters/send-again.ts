import type { ConfirmChannel, Message } from 'amqplib';
import { exchangeNames } from '../../contracts/names.ts';
import { publishRouted } from '../bus/confirmed-publish.ts';
import { carriedProperties } from '../bus/dead-letter.ts';
import { toSendable } from '../bus/sendable-headers.ts';
import { errorMessage } from '../../supervision/errors.ts';
import { NotInEventLog } from './check-against-log.ts';
import { findLetter, type FindOptions, type FoundLetter } from './find-letter.ts';
import { toDeadLetter, withoutDeath, type DeadLetter, type LetterQueue } from './letter.ts';
import { visitQueues, type LettersOptions } from './take-letters.ts';

const publishTo = exchangeNames.sentAgain;

/** Whether a letter is what it claims to be. @throws NotInEventLog when it is not; it then stays where it is */
export type CheckLetter = (message: Message) => Promise<void>;

/**
 * Puts one letter back into the queue that it came from, as it was before it died. Its consumer dead-letters it again,
 * under the same letter id, if nothing has changed.
 *
 * At least once: it is acknowledged after the confirm, so that a crash in between repeats the message, with its message
 * id, and loses nothing.
 *
 * @throws Error when RabbitMQ does not take it, or the check refuses it; the letter then stays where it is
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
  /** The check refused this one: it stays, and the next ones are sent all the same. */
  onRefused?: (letter: DeadLetter, reason: NotInEventLog) => void;
}

/**
 * The same with all letters that are there at the time, in their order: those that die again meanwhile are not sent once
 * more.
 *
 * @returns how many were sent
 * @throws Error when RabbitMQ does not take one; it stays where it is, and so do those behind it
 */
export async function sendAllAgain(options: SendAllOptions): Promise<number> {
  const { check, onSent = () => undefined, onRefused = () => undefined, ...letters } = options;
  let count = 0;
  await visitQueues({ ...letters, publishTo }, async ({ take, channel, ...queue }) => {
    for await (const letter of take()) {
      const refusal = await refusalOf(check, letter.message);
      if (refusal) {
        onRefused(toDeadLetter(queue, letter.message), refusal);
        continue;
      }
      await send({ queue, channel, ...letter });
      count += 1;
      onSent(toDeadLetter(queue, letter.message));
    }
    return 'next';
  });
  return count;
}

async function refusalOf(check: CheckLetter, message: Message): Promise<NotInEventLog | undefined> {
  try {
    await check(message);
    return undefined;
  } catch (error) {
    if (error instanceof NotInEventLog) return error;
    throw error;
  }
}

async function send({ queue, channel, message, acknowledge }: FoundLetter): Promise<void> {
  await publish(channel, queue, message);
  acknowledge();
}

async function publish(channel: ConfirmChannel, { name, origin }: LetterQueue, message: Message): Promise<void> {
  const { headers, ...properties } = carriedProperties(message);
  let routed = false;
  try {
    ({ routed } = await publishRouted({
      channel,
      exchange: publishTo,
      routingKey: origin,
      content: message.content,
      properties: toSendable({ ...properties, headers: withoutDeath(headers) }),
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
}
