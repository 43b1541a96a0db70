import { z } from 'zod';
import { id, json, timestamp } from '../../../contracts/fields.ts';
import { runtimeSpec } from '../../../runtimes/registry.ts';
import { strategy } from '../rollouts/schemas.ts';

const { $schema: _, ...runtimeJsonSchema } = z.toJSONSchema(runtimeSpec, { io: 'input' });

/** Stored as it was given. The release that runs the agent adds its own defaults for settings that are left out. */
const runtime = z
  .unknown()
  .superRefine((given, context) => {
    for (const { path, message } of runtimeSpec.safeParse(given).error?.issues ?? []) {
      context.addIssue({ code: 'custom', path, message });
    }
  })
  .transform((given) => given as object)
  .meta({
    ...runtimeJsonSchema,
    description:
      'What a runtime needs to run the agent. Unknown settings are refused, so that a misspelt one is noticed.',
  });

const rollout = strategy
  .nullable()
  .meta({ description: 'Strategy of the rollout that each new version begins; null if rollouts are begun by hand.' })
  .optional();

const agentId = id('The agent.');
const fields = z.strictObject({
  name: z
    .string()
    .min(1)
    .meta({ description: 'Name for people. Name, version and capabilities may have 1 MiB together.' }),
  version: z.string().min(1).meta({
    description: 'Version in any form that its makers choose, of at most 1,024 bytes. What it runs never changes.',
  }),
  capabilities: z.array(z.string()).meta({ description: 'Names of what the agent can do.' }),
  runtime,
  rollout,
});

/** An id in capital letters is the same id. */
export const agentPath = z.object({ id: agentId.toLowerCase() });

export const newAgent = fields.extend({
  id: agentId.toLowerCase().optional(),
  capabilities: fields.shape.capabilities.default([]),
});
export type NewAgent = z.infer<typeof newAgent>;

export const agentChange = fields
  .partial()
  .refine(
    (change) => Object.keys(change).length > 0,
    'Name at least one of name, version, capabilities, runtime and rollout.',
  );
export type AgentChange = z.infer<typeof agentChange>;

export const newVersion = fields
  .pick({ version: true, runtime: true })
  .extend({ capabilities: fields.shape.capabilities.optional() })
  .meta({ id: 'NewVersion', description: 'Capabilities that are left out are those of the newest version.' });

export const agentVersion = z
  .object({
    version: z.string(),
    capabilities: z.array(z.string()),
    published_at: timestamp('Time of its publication.'),
    withdrawn_at: timestamp('Time of its withdrawal; null if it can be run.').nullable(),
    withdrawn_reason: z.string().nullable(),
    is_newest: z.boolean(),
    is_stable: z.boolean().meta({ description: 'Whether new instances get it.' }),
    instances: z.int().nonnegative().meta({ description: 'Number of instances that are to run it.' }),
    running: z.int().nonnegative().meta({ description: 'Number of instances that run it.' }),
  })
  .meta({ id: 'AgentVersion', description: 'A version of an agent. It never changes, but it can be withdrawn.' });

export const retirement = z.strictObject({
  drain: z.boolean().default(false).meta({ description: 'Also stop the running instances of the agent.' }),
});

const listedAgent = z.object({
  id: agentId,
  name: z.string(),
  version: z.string().meta({ description: 'The version that was published last.' }),
  stable_version: z.string().meta({ description: 'Version that new instances get.' }),
  capabilities: z.array(z.string()),
  rollout: json('Strategy of the rollout that each new version begins; null if rollouts are begun by hand.').nullable(),
  retired_at: timestamp('Time of its retirement; null if new instances may use it.').nullable(),
  drain: z.boolean().meta({ description: 'Whether its retirement stops the running instances.' }),
  created_at: timestamp('Time of its publication.'),
  updated_at: timestamp('Time of its last change.'),
  instances: z.int().nonnegative().meta({ description: 'Number of its instances.' }),
});
export type ListedAgent = z.infer<typeof listedAgent>;

export const agentList = z.object({ agents: z.array(listedAgent) });

export const agent = listedAgent
  .extend({ runtime: json('What a runtime needs to run the agent, as it was given.') })
  .meta({ id: 'Agent' });
export type Agent = z.infer<typeof agent>;
