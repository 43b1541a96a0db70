import type { Pool } from 'pg';
import { checkAgainstLog } from '../../../bridge/dead-letters/check-against-log.ts';
import { inspectDeadLetter, type InspectedLetter } from '../../../bridge/dead-letters/inspect-letter.ts';
import {
  listDeadLetters,
  type DeadLetters as FoundLetters,
  type ListOptions,
} from '../../../bridge/dead-letters/list-letters.ts';
import { sendAgain } from '../../../bridge/dead-letters/send-again.ts';
import type { DeadLetterQueueName } from '../../../contracts/topology.ts';

export interface LetterKey {
  queue: DeadLetterQueueName;
  letterId: string;
}

/** The dead letters of one virtual host. @throws Error if RabbitMQ cannot be used */
export interface DeadLetters {
  list(filter: Pick<ListOptions, 'queue' | 'instanceId' | 'limit'>): Promise<FoundLetters>;
  inspect(key: LetterKey): Promise<InspectedLetter | undefined>;
  /** @throws NotInEventLog if the letter differs from the event log; it then stays in its queue */
  sendAgain(key: LetterKey): Promise<'sent' | 'not found'>;
}

/** Calls are rare, so each opens a connection. Closing it returns the letters that it took to their queue. */
export function openDeadLetters({ amqpUrl, pool }: { amqpUrl: string; pool: Pool }): DeadLetters {
  const options = { amqpUrl, connectionName: 'admin_backend dead letters' };
  return {
    list: (filter) => listDeadLetters({ ...options, ...filter }),
    inspect: (key) => inspectDeadLetter({ ...options, ...key }),
    sendAgain: (key) => sendAgain({ ...options, ...key, check: (message) => checkAgainstLog(pool, message) }),
  };
}
