import { z } from 'zod';
import { id, json, timestamp } from '../../contracts/fields.ts';
import { desiredStates, instanceStatuses, reasonCodes } from '../../contracts/names.ts';

/** What user_backend takes and answers, in the form of the wire. */

const version = (description: string) => z.int().min(0).meta({ description });

const instanceFields = {
  id: id('The instance.'),
  agent_id: id('The agent that it runs.'),
  agent_name: z.string().nullable().meta({ description: 'Null while the agent is not published.' }),
  agent_version: z.string().nullable(),
  agent_retired: z.boolean(),
  user_id: id('Whose it is.'),
  desired_state: z.enum(desiredStates).meta({ description: 'What is wanted of it.' }),
  status: z.enum(instanceStatuses).meta({ description: 'What it is.' }),
  reason: z
    .object({ code: z.enum(reasonCodes), message: z.string() })
    .nullable()
    .meta({ description: 'Why the status is what it is, where that needs a reason.' }),
  metadata: json('What is known of it besides.'),
  generation: version('Counts the changes of what is wanted.'),
  observed_generation: version('The generation that the status speaks of.'),
  sequence: version('Counts the versions of the row, as do its events.'),
  created_at: timestamp('When it was created.'),
  updated_at: timestamp('When it was changed last.'),
};

export const instanceSummary = z
  .object(instanceFields)
  .meta({ id: 'InstanceSummary', description: 'An instance without its config.' });
export type InstanceSummary = z.infer<typeof instanceSummary>;

export const instance = z
  .object({ ...instanceFields, config: json('What the agent is told.') })
  .meta({ id: 'Instance', description: 'An agent that is to run, and how it stands.' });
export type Instance = z.infer<typeof instance>;

export const newInstance = z
  .strictObject({
    agent_id: id('The agent to run.'),
    config: json('What the agent is told: at most 4 MiB.').default({}),
    desired_state: z.enum(desiredStates).default('running'),
  })
  .meta({ id: 'NewInstance' });

export const instanceChange = z
  .strictObject({
    agent_id: id('Another agent to run.').optional(),
    config: json('In the place of the one before.').optional(),
    desired_state: z.enum(desiredStates).optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'Name at least one of agent_id, config and desired_state.')
  .meta({ id: 'InstanceChange', minProperties: 1 });

export const catalogAgent = z
  .object({
    id: id('The agent.'),
    name: z.string(),
    version: z.string(),
    capabilities: z.array(z.string()).meta({ description: 'What it can do.' }),
    retired_at: timestamp('Since when it takes no new instances.').nullable(),
  })
  .meta({ id: 'CatalogAgent', description: 'A published agent.' });
export type CatalogAgent = z.infer<typeof catalogAgent>;

export const agentParams = z.object({ id: id('The agent.') });
export const instanceParams = z.object({ id: id('The instance.') });

/** Of a query; other words than these two are refused. */
export const flag = (description: string) =>
  z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .default(false)
    .meta({ type: 'boolean', description });
