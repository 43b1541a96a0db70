import type { ConfirmChannel, GetMessage } from 'amqplib';
import { z } from 'zod';
import { openAmqp } from '../bridge/amqp.ts';
import { describe } from '../bridge/supervise.ts';
import { exchangeNames } from '../contracts/names.ts';
import { topology } from '../contracts/topology.ts';
import type { TimelineEntry } from './timeline.ts';

export interface DeadLetter {
  queue: string;
  messageId: string | undefined;
  type: string | undefined;
  sequence: number | undefined;
  reason: string;
  /** When it died, where RabbitMQ noted it; else the time of its event. */
  time: Date | undefined;
}

export interface DeadLetters {
  letters: DeadLetter[];
  /** What was not looked at. */
  notes: string[];
}

const maxMessages = 1_000;
const maxBytes = 32 * 1024 * 1024;

/**
 * Looks at the dead letters of one instance and leaves all of them where they are.
 *
 * AMQP has no way to look without taking: the messages of a queue are taken unacknowledged, then all are given back at
 * once, which keeps their order (measured on 3.10). For that moment another reader finds the queue empty; a crash in
 * between gives them back, too. They come back marked as redelivered and their delivery count is one higher, which the
 * queue's own delivery limit allows for.
 */
export async function peekDeadLetters(amqpUrl: string, instanceId: string): Promise<DeadLetters> {
  const found: DeadLetters = { letters: [], notes: [] };
  const amqp = await openAmqp({ amqpUrl, connectionName: 'instances explain' });
  try {
    for (const { name, exchange } of topology.queues) {
      // A channel each: one that asks for a queue that does not exist (yet) is closed.
      if (exchange === exchangeNames.deadLetters) await peek(await amqp.openChannel(), name, instanceId, found);
    }
    return found;
  } finally {
    await amqp.close();
  }
}

async function peek(channel: ConfirmChannel, queue: string, instanceId: string, found: DeadLetters): Promise<void> {
  const waiting = await countOf(channel, queue);
  if (waiting === 0) return;
  let taken = 0;
  let bytes = 0;
  while (taken < maxMessages && bytes < maxBytes) {
    const message = await channel.get(queue);
    if (!message) break;
    taken += 1;
    bytes += message.content.length;
    if (concerns(message, instanceId)) found.letters.push(toDeadLetter(queue, message));
  }
  channel.nackAll(true);
  await channel.close();
  if (taken < waiting) found.notes.push(`${waiting - taken} of the ${waiting} messages in ${queue}`);
}

async function countOf(channel: ConfirmChannel, queue: string): Promise<number> {
  try {
    return (await channel.checkQueue(queue)).messageCount;
  } catch (error) {
    if (describe(error).includes('NOT_FOUND')) return 0;
    throw error;
  }
}

/** What is wrong with a letter may be its headers, so its text counts as well. */
function concerns({ properties, content }: GetMessage, instanceId: string): boolean {
  return properties.headers?.['cloudEvents:subject'] === instanceId || content.includes(instanceId);
}

const death = z.object({ time: z.object({ value: z.number() }), reason: z.string() });

const headers = z.object({
  dead_letter_reason: z.string().optional().catch(undefined),
  'x-death': z.array(death).optional().catch(undefined),
  'cloudEvents:sequence': z.coerce.number().int().optional().catch(undefined),
  'cloudEvents:time': z.iso.datetime({ offset: true }).optional().catch(undefined),
});

function toDeadLetter(queue: string, { properties }: GetMessage): DeadLetter {
  const { messageId, type } = properties as { messageId?: string; type?: string };
  const parsed = headers.parse(properties.headers ?? {});
  const [byBroker] = parsed['x-death'] ?? [];
  const eventTime = parsed['cloudEvents:time'];
  return {
    queue,
    messageId,
    type,
    sequence: parsed['cloudEvents:sequence'],
    reason: parsed.dead_letter_reason ?? (byBroker ? `RabbitMQ gave it up: ${byBroker.reason}` : 'no reason is given'),
    time: byBroker ? new Date(byBroker.time.value * 1000) : eventTime === undefined ? undefined : new Date(eventTime),
  };
}

export function deadLetterTimeline({ letters }: DeadLetters): TimelineEntry[] {
  return letters.map(({ queue, type, sequence, messageId, reason, time }) => {
    const what = `${type ?? 'a message'}${sequence === undefined ? '' : ` #${sequence}`}`;
    return {
      time,
      source: 'dead letter',
      text: `${what} (message ${messageId ?? 'without id'}) is in ${queue}: ${reason}`,
      bad: true,
    };
  });
}
