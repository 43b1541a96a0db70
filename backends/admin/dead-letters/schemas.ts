import { z } from 'zod';
import { deadLetterJson } from '../../../bridge/dead-letters/letter-json.ts';
import { id } from '../../../contracts/fields.ts';
import { deadLetterQueueNames } from '../../../contracts/topology.ts';
import { limitOf } from '../../http/query.ts';

const queue = z.enum(deadLetterQueueNames);

export const letterPath = z.object({ queue, letter_id: z.string().min(1) });

export const letterQuery = z.strictObject({
  queue: queue.optional(),
  instance_id: id(
    'Only letters about this instance, or that name it: all letters are looked at until the limit is reached.',
  )
    .toLowerCase()
    .optional(),
  limit: limitOf(1_000, 200),
});

export const letterList = z.object({
  letters: z.array(deadLetterJson),
  not_looked_at: z.array(z.string()).meta({
    description: 'How many letters of which queue were not looked at because the limit was reached, in words.',
  }),
});
