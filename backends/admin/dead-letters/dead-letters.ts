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

/** The dead letters of one virtual host. @throws Error when RabbitMQ cannot be used */
export interface DeadLetters {
  list(filter: Pick<ListOptions, 'queue' | 'instanceId' | 'limit'>): Promise<FoundLetters>;
  inspect(key: LetterKey): Promise<InspectedLetter | undefined>;
  /** @throws NotInEventLog when the letter is not what the event log says; it then stays where it is */
  sendAgain(key: LetterKey): Promise<'sent' | 'not found'>;
}

/** Each call has a connection of its own: they are rare, and whatever one takes goes back when it closes. */
export function openDeadLetters({ amqpUrl, pool }: { amqpUrl: string; pool: Pool }): DeadLetters {
  const options = { amqpUrl, connectionName: 'admin_backend dead letters' };
  return {
    list: (filter) => listDeadLetters({ ...options, ...filter }),
    inspect: (key) => inspectDeadLetter({ ...options, ...key }),
    sendAgain: (key) => sendAgain({ ...options, ...key, check: (message) => checkAgainstLog(pool, message) }),
  };
}
