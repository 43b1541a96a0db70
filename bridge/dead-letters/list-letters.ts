import type { Message } from 'amqplib';
import { toDeadLetter, type DeadLetter } from './letter.ts';
import { visitQueues, type LettersOptions } from './take-letters.ts';

export interface ListOptions extends LettersOptions {
  /** Only letters that are about this instance, or mention its id. */
  instanceId?: string | undefined;
  limit: number;
}

export interface DeadLetters {
  /** Sorted by queue, and within a queue the oldest first. */
  letters: DeadLetter[];
  /** What was skipped because of the limit, e.g. `3 of the 1003 messages in agents_worker.instance.dead`. */
  notes: string[];
}

/**
 * Lists dead letters, queue by queue until the limit is reached. All letters stay in their places. Each letter takes about 1 ms,
 * including letters about other instances.
 */
export async function listDeadLetters({ instanceId, limit, ...options }: ListOptions): Promise<DeadLetters> {
  const found: DeadLetters = { letters: [], notes: [] };
  await visitQueues(options, async ({ queue, take, waiting }) => {
    let looked = 0;
    if (found.letters.length < limit) {
      for await (const letter of take()) {
        looked += 1;
        if (instanceId === undefined || concerns(letter.message, instanceId)) found.letters.push(toDeadLetter(letter));
        if (found.letters.length >= limit) break;
      }
    }
    if (looked < waiting) found.notes.push(`${waiting - looked} of the ${waiting} messages in ${queue.name}`);
    return 'next';
  });
  return found;
}

/** The headers of a letter may be what is wrong with it, so its body counts as well. */
function concerns({ properties, content }: Message, instanceId: string): boolean {
  return properties.headers?.['cloudEvents:subject'] === instanceId || content.includes(instanceId);
}
