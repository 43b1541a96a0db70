import type { Message } from 'amqplib';
import { toDeadLetter, type DeadLetter } from './letter.ts';
import { visitQueues, type LettersOptions } from './take-letters.ts';

export interface ListOptions extends LettersOptions {
  /** Only those that are about this instance, or name it anywhere. */
  instanceId?: string | undefined;
  /** At most so many letters. */
  limit: number;
}

export interface DeadLetters {
  /** By queue, the oldest first. */
  letters: DeadLetter[];
  /** What was not looked at, because the limit was reached, e.g. `3 of the 1003 messages in agents_worker.instance.dead`. */
  notes: string[];
}

/**
 * Looks at dead letters, queue by queue until the limit is reached, and leaves all of them where they are. One takes about
 * 1 ms, and those that do not concern the instance are looked at as well.
 */
export async function listDeadLetters({ instanceId, limit, ...options }: ListOptions): Promise<DeadLetters> {
  const found: DeadLetters = { letters: [], notes: [] };
  await visitQueues(options, async ({ take, waiting, ...queue }) => {
    let looked = 0;
    if (found.letters.length < limit) {
      for await (const { message } of take()) {
        looked += 1;
        if (instanceId === undefined || concerns(message, instanceId)) found.letters.push(toDeadLetter(queue, message));
        if (found.letters.length >= limit) break;
      }
    }
    if (looked < waiting) found.notes.push(`${waiting - looked} of the ${waiting} messages in ${queue.name}`);
    return 'next';
  });
  return found;
}

/** What is wrong with a letter may be its headers, so its text counts as well. */
function concerns({ properties, content }: Message, instanceId: string): boolean {
  return properties.headers?.['cloudEvents:subject'] === instanceId || content.includes(instanceId);
}
