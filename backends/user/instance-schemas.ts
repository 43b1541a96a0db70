import { z } from 'zod';
import { id, json, timestamp } from '../../contracts/fields.ts';
import { desiredStates, instanceStatuses, reasonCodes } from '../../contracts/names.ts';
import { findInexactNumber } from './inexact-numbers.ts';

const version = z.int().nonnegative();

/** What lists say of an instance: all but its config, which may have 4 MiB. */
export const listedInstance = z
  .object({
    id: id('The instance.'),
    agent_id: id('The agent that it runs.'),
    agent_name: z.string().nullable().meta({ description: 'Null where no such agent is published.' }),
    agent_version: z.string().nullable(),
    agent_retired: z.boolean(),
    user_id: id('Whose it is.'),
    desired_state: z.enum(desiredStates).meta({ description: 'What is wanted.' }),
    status: z.enum(instanceStatuses).meta({ description: 'Where its life stands.' }),
    reason: z
      .object({ code: z.enum(reasonCodes), message: z.string() })
      .nullable()
      .meta({ description: 'Why its status is what it is.' }),
    metadata: json('Whatever its writers keep there.'),
    generation: version.meta({ description: 'Version of what is wanted.' }),
    observed_generation: version.meta({ description: 'The generation that `status` speaks of.' }),
    sequence: version.meta({ description: 'Version of the row, as in its events.' }),
    created_at: timestamp('When it was created.'),
    updated_at: timestamp('When it changed last.'),
  })
  .meta({ id: 'ListedInstance' });
export type ListedInstance = z.infer<typeof listedInstance>;

export const instance = listedInstance.extend({ config: json('What its agent is given.') }).meta({ id: 'Instance' });
export type Instance = z.infer<typeof instance>;

export const instanceList = z.object({
  instances: z.array(listedInstance),
  next_cursor: z.string().nullable().meta({ description: 'For the next page; null on the last.' }),
});

export const instancePath = z.object({ id: id('The instance.').toLowerCase() });

const config = json(
  'What its agent is given: at most 4 MiB and 100 levels deep. Its numbers are IEEE doubles.',
).superRefine((given, context) => {
  const found = findInexactNumber(given);
  if (found === undefined) return;
  const message = `${found} may not be what was sent: numbers are IEEE doubles. Write it as a text.`;
  context.addIssue({ code: 'custom', message });
});
const agentId = id('The agent to run.').toLowerCase();
const desiredState = z.enum(desiredStates);

export const newInstance = z
  .strictObject({
    agent_id: agentId,
    config: config.default({}),
    desired_state: desiredState.default('running'),
  })
  .meta({ id: 'NewInstance' });
export type NewInstance = z.infer<typeof newInstance>;

export const instanceChange = z
  .strictObject({
    agent_id: agentId.optional(),
    config: config.optional(),
    desired_state: desiredState.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'Say at least one of agent_id, config and desired_state.')
  .meta({ id: 'InstanceChange', minProperties: 1 });
export type InstanceChange = z.infer<typeof instanceChange>;

export const instanceFilter = z.object({
  status: z.enum(instanceStatuses).optional(),
  agent_id: agentId.optional(),
  user_id: id('Of this user; others than oneself for admins.').toLowerCase().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'At most so many.' }),
  cursor: z.string().min(1).max(200).optional().meta({ description: '`next_cursor` of the page before.' }),
});
export type InstanceFilter = z.infer<typeof instanceFilter>;

export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 printable characters without spaces')
    .optional()
    .meta({ description: 'A request that comes again with its key within 24 hours gets the answer of the first.' }),
});
