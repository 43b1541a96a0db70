import type { GetMessage } from 'amqplib';
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
  /** What was not looked at, e.g. `3 of the 1003 messages in agents_worker.instance.dead`. */
  notes: string[];
}

/** Of each queue: some seconds' worth. Beyond it, those that were looked at go behind the others. */
const maxMessages = 2_000;

/** Looks at dead letters and leaves all of them where they are. */
export async function listDeadLetters({ instanceId, limit, ...options }: ListOptions): Promise<DeadLetters> {
  const found: DeadLetters = { letters: [], notes: [] };
  await visitQueues(options, async ({ take, waiting, ...queue }) => {
    let looked = 0;
    if (found.letters.length < limit) {
      for await (const { message } of take({ atMost: maxMessages })) {
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
function concerns({ properties, content }: GetMessage, instanceId: string): boolean {
  return properties.headers?.['cloudEvents:subject'] === instanceId || content.includes(instanceId);
}
