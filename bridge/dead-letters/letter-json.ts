import { z } from 'zod';
import { deadLetterQueueNames, domainQueueNames } from '../../contracts/topology.ts';
import type { InspectedLetter } from './inspect-letter.ts';
import type { DeadLetter } from './letter.ts';

/** What `npx instances dead-letters list --json` prints of each. */
export const deadLetterJson = z.object({
  letter_id: z.string().meta({ description: 'Made of its queue and content; the same when it dies again.' }),
  queue: z.enum(deadLetterQueueNames).meta({ description: 'That it is in.' }),
  origin_queue: z.enum(domainQueueNames).meta({ description: 'That it was in, and that it is sent to again.' }),
  message_id: z.string().nullable(),
  type: z.string().nullable().meta({ description: 'Of the message, e.g. `instance.updated`.' }),
  subject: z.string().nullable().meta({ description: 'The instance or agent that it is about.' }),
  sequence: z.int().nullable().meta({ description: 'Version of the row that it is about.' }),
  reason: z.string().meta({ description: 'Why it died.' }),
  time: z.iso.datetime().nullable().meta({ description: 'When it died; else the time of its event.' }),
  size_bytes: z.int().nonnegative(),
});
export type DeadLetterJson = z.infer<typeof deadLetterJson>;

/** What `npx instances dead-letters show --json` prints. */
export const inspectedLetterJson = deadLetterJson.extend({
  headers: z.record(z.string(), z.unknown()),
  body: z.object({
    content: z.string(),
    encoding: z.enum(['utf-8', 'base64']).meta({ description: '`base64` when the bytes are not UTF-8.' }),
    cut: z.boolean().meta({ description: 'Whether there is more of it than is shown.' }),
  }),
});
export type InspectedLetterJson = z.infer<typeof inspectedLetterJson>;

export function letterToJson(letter: DeadLetter): DeadLetterJson {
  return {
    letter_id: letter.letterId,
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

export function inspectedToJson({ headers, body, ...letter }: InspectedLetter): InspectedLetterJson {
  return { ...letterToJson(letter), headers, body };
}
