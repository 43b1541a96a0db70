import { z } from 'zod';
import { id, json, timestamp } from '../../../contracts/fields.ts';
import { runtimeSpec } from '../../../runtimes/registry.ts';

const { $schema: _, ...runtimeJsonSchema } = z.toJSONSchema(runtimeSpec, { io: 'input' });

/** Kept as it was given: what it leaves out follows the defaults of whichever release runs the agent. */
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
    description: 'What a runtime needs to run the agent; strict, so that a misspelt setting is found here.',
  });

const agentId = id('The agent.');
const fields = z.strictObject({
  name: z.string().min(1).meta({ description: 'For people. With version and capabilities at most 1 MiB.' }),
  version: z.string().min(1).meta({ description: 'In whatever form its makers count.' }),
  capabilities: z.array(z.string()).meta({ description: 'What it can do.' }),
  runtime,
});

/** A `z.ZodType` in its own right: an id in capitals is the same id. */
export const agentPath = z.object({ id: agentId.toLowerCase() });

export const newAgent = fields.extend({
  id: agentId.toLowerCase().optional(),
  capabilities: fields.shape.capabilities.default([]),
});
export type NewAgent = z.infer<typeof newAgent>;

export const agentChange = fields
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'Say at least one of name, version, capabilities and runtime.');
export type AgentChange = z.infer<typeof agentChange>;

export const retirement = z.strictObject({
  drain: z.boolean().default(false).meta({ description: 'Whether the instances that run are stopped.' }),
});

const listedAgent = z.object({
  id: agentId,
  name: z.string(),
  version: z.string(),
  capabilities: z.array(z.string()),
  retired_at: timestamp('Since when no further instance can use it.').nullable(),
  drain: z.boolean().meta({ description: 'Whether its retirement stops the instances that run.' }),
  created_at: timestamp('When it was published.'),
  updated_at: timestamp('When it was last changed.'),
  instances: z.int().nonnegative().meta({ description: 'How many instances are of it.' }),
});
export type ListedAgent = z.infer<typeof listedAgent>;

export const agentList = z.object({ agents: z.array(listedAgent) });

export const agent = listedAgent
  .extend({ runtime: json('What a runtime needs to run it, as it was given.') })
  .meta({ id: 'Agent' });
export type Agent = z.infer<typeof agent>;
