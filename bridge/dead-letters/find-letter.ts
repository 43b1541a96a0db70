import type { ConfirmChannel } from 'amqplib';
import { letterIdOf, type LetterQueue } from './letter.ts';
import { visitQueues, type LettersOptions, type TakenLetter } from './take-letters.ts';

export interface FindOptions extends LettersOptions {
  /** Id from `listDeadLetters`. */
  letterId: string;
}

export interface FoundLetter extends TakenLetter {
  queue: LetterQueue;
  channel: ConfirmChannel;
}

/**
 * Finds a letter by its id, and of several copies the oldest. Every letter that `use` does not acknowledge stays in its place.
 *
 * @returns undefined when there is no such letter, or another reader has taken it at the moment
 */
export async function findLetter<Result>(
  { letterId, ...options }: FindOptions,
  use: (letter: FoundLetter) => Result | Promise<Result>,
): Promise<Result | undefined> {
  let result: Result | undefined;
  await visitQueues(options, async ({ take, channel, ...queue }) => {
    for await (const letter of take()) {
      if (letterIdOf(queue.name, letter.message) !== letterId) continue;
      result = await use({ queue, channel, ...letter });
      return 'done';
    }
    return 'next';
  });
  return result;
}
