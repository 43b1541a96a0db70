import { z } from 'zod';
import type { InspectedLetter } from '../../../bridge/dead-letters/inspect-letter.ts';
import { deadLetterJson, inspectedToJson, letterToJson } from '../../../bridge/dead-letters/letter-json.ts';
import type { DeadLetter } from '../../../bridge/dead-letters/letter.ts';
import { id } from '../../../contracts/fields.ts';
import { deadLetterQueueNames } from '../../../contracts/topology.ts';

const queue = z.enum(deadLetterQueueNames);

export const letterPath = z.object({ queue, letter_id: z.string().min(1) });

export const letterQuery = z.strictObject({
  queue: queue.optional(),
  instance_id: id(
    'Only letters about this instance, or that name it: all letters are looked at until the limit is reached.',
  )
    .toLowerCase()
    .optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
});

const { letter_id, ...others } = deadLetterJson.shape;
const letter = z.object({ id: letter_id, ...others });
type Letter = z.infer<typeof letter>;

export const letterList = z.object({
  letters: z.array(letter),
  not_looked_at: z.array(z.string()).meta({
    description: 'How many letters of which queue were not looked at because the limit was reached, in words.',
  }),
});

export const inspectedLetter = letter.extend({
  headers: z.record(z.string(), z.unknown()),
  body: z.string(),
  body_encoding: z.enum(['utf-8', 'base64']).meta({ description: '`base64` when the bytes are not UTF-8.' }),
  body_cut: z.boolean().meta({ description: 'Whether there is more of it than is shown.' }),
});

export function toLetter(found: DeadLetter): Letter {
  const { letter_id: letterId, ...json } = letterToJson(found);
  return { id: letterId, ...json };
}

export function toInspectedLetter(found: InspectedLetter): z.infer<typeof inspectedLetter> {
  const { headers, body } = inspectedToJson(found);
  return { ...toLetter(found), headers, body: body.content, body_encoding: body.encoding, body_cut: body.cut };
}
