import { z } from 'zod';
import { deadLetterQueueNames, domainQueueNames } from '../../contracts/topology.ts';
import type { InspectedLetter } from './inspect-letter.ts';
import type { DeadLetter } from './letter.ts';

/** A dead letter in the list of the HTTP API and of `npx instances dead-letters list --json`. */
export const deadLetterJson = z.object({
  id: z
    .string()
    .meta({ description: 'Computed from queue and content; a letter that is dead-lettered again keeps its id.' }),
  queue: z.enum(deadLetterQueueNames).meta({ description: 'The dead-letter queue that holds the letter.' }),
  origin_queue: z
    .enum(domainQueueNames)
    .meta({ description: 'The queue that the letter came from, and goes to when it is sent again.' }),
  message_id: z.string().nullable(),
  type: z.string().nullable().meta({ description: 'Type of the message, e.g. `instance.updated`.' }),
  subject: z.string().nullable().meta({ description: 'Id of the instance or agent that the message is about.' }),
  sequence: z.int().nullable().meta({ description: 'Version of the row that the message is about.' }),
  reason: z.string().meta({ description: 'Why the message was dead-lettered.' }),
  time: z.iso
    .datetime()
    .nullable()
    .meta({ description: 'When RabbitMQ dead-lettered the message, if it did; else the time of the event.' }),
  size_bytes: z.int().nonnegative(),
});
export type DeadLetterJson = z.infer<typeof deadLetterJson>;

/** A whole letter, in the HTTP API and in `npx instances dead-letters show --json`. */
export const inspectedLetterJson = deadLetterJson.extend({
  headers: z.record(z.string(), z.unknown()),
  body: z.string(),
  body_encoding: z.enum(['utf-8', 'base64']).meta({ description: '`base64` if the bytes are not UTF-8.' }),
  body_cut: z.boolean().meta({ description: 'Whether the body is longer than what is shown.' }),
});

export function letterToJson(letter: DeadLetter): DeadLetterJson {
  return {
    id: letter.letterId,
    queue: letter.queue,
    origin_queue: letter.originQueue,
    message_id: letter.messageId ?? null,
    type: letter.type ?? null,
    subject: letter.subject ?? null,
    sequence: letter.sequence ?? null,
    reason: letter.reason,
    time: letter.time?.toISOString() ?? null,
    size_bytes: letter.sizeBytes,
  };
}

export function inspectedToJson({ headers, body, ...letter }: InspectedLetter): z.infer<typeof inspectedLetterJson> {
  const { content, encoding, cut } = body;
  return { ...letterToJson(letter), headers, body: content, body_encoding: encoding, body_cut: cut };
}
