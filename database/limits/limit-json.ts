import { z } from 'zod';
import { id, timestamp } from '../../contracts/fields.ts';
import { limitScopes, type InstanceLimit } from './limits.ts';

/** A limit as admin_backend answers it and as `npx instances limits list --json` prints it. */
export const limitJson = z
  .object({
    scope: z.enum(limitScopes),
    subject: id('The user or the agent; null for all that have no limit of their own.').nullable(),
    at_most: z.int().nonnegative().nullable().meta({ description: 'Number of instances; null: no limit.' }),
    changed_at: timestamp('Time at which the limit was set.'),
  })
  .meta({ id: 'InstanceLimit', description: 'How many instances a user or an agent may have.' });
export type LimitJson = z.infer<typeof limitJson>;

export function limitToJson({ scope, subject, atMost, changedAt }: InstanceLimit): LimitJson {
  return { scope, subject, at_most: atMost, changed_at: changedAt.toISOString() };
}
