import { z } from 'zod';
import { hostId, id, json } from './fields.ts';
import { desiredStates, instanceStatuses } from './names.ts';

/** Parses PostgreSQL's ISO form in UTC into the form of the events, with milliseconds and `Z`. */
function timestamp(description: string) {
  return z.iso
    .datetime({ offset: true })
    .meta({ description: `${description} Example: \`2025-01-01T12:00:00.123456+00:00\`.` })
    .transform((text) => new Date(text).toISOString());
}

const rowVersion = z.int().positive().meta({ description: 'Version of the row, published as `cloudEvents:sequence`.' });

/** A row of `instances` as its trigger writes it. A column that was added later is optional: older entries lack it. */
export const instanceRow = z.object({
  id: id('Id of the instance.'),
  agent_id: id('Agent that the instance runs.'),
  user_id: id('Owner of the instance.'),
  config: json('Settings that the agent receives. Present on insert, and on an update that changes them.').optional(),
  desired_state: z.enum(desiredStates).meta({ description: 'State that the instance is asked to reach.' }),
  generation: z.int().positive().meta({ description: 'Version of agent, config and desired state.' }),
  status: z.enum(instanceStatuses).meta({ description: 'Current status of the instance.' }),
  observed_generation: z.int().nonnegative().meta({ description: 'Generation that `status` refers to.' }),
  metadata: json('Free for writers to use.'),
  host_id: hostId,
  sequence: rowVersion,
  created_at: timestamp('Time at which the row was inserted.'),
  updated_at: timestamp('Time of the last change, or of the deletion.'),
});
export type InstanceRow = z.output<typeof instanceRow>;

export const agentRow = z.object({
  id: id('Id of the agent.'),
  name: z.string().meta({ description: 'Display name.' }),
  version: z.string().meta({ description: 'Version of the agent.' }),
  capabilities: z.array(z.string()).meta({ description: 'Capabilities that the agent offers.' }),
  runtime: json('Runtime spec: how the agent is run. It is never published on the bus.'),
  retired_at: timestamp('Time at which the agent was retired.')
    .nullable()
    .meta({ description: 'Time at which the agent was retired; null for an agent in use.' }),
  drain: z.boolean().default(false).meta({
    description: 'Whether the retirement stops running instances. Entries that are older than the column lack it.',
  }),
  sequence: rowVersion,
  created_at: timestamp('Time at which the row was inserted.'),
  updated_at: timestamp('Time of the last change, or of the deletion.'),
});
export type AgentRow = z.output<typeof agentRow>;
