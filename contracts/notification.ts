import { z } from 'zod';
import { id, json } from './fields.ts';
import { desiredStates, instanceStatuses } from './names.ts';
import { firstVersion } from './versions.ts';

/** Parses PostgreSQL's ISO form in UTC into the form of the events, with milliseconds and `Z`. */
function timestamp(description: string) {
  return z.iso
    .datetime({ offset: true })
    .meta({ description: `${description} Example: \`2025-01-01T12:00:00.123456+00:00\`.` })
    .transform((text) => new Date(text).toISOString());
}

const rowVersion = z.int().positive().meta({ description: 'Version of the row, published as `cloudEvents:sequence`.' });

const instanceRow = z.object({
  id: id('Id of the instance.'),
  agent_id: id('Agent that the instance runs.'),
  user_id: id('Owner of the instance.'),
  config: json('Settings that the agent receives. Present on insert, and on an update that changes them.').optional(),
  desired_state: z.enum(desiredStates).meta({ description: 'State that the instance is asked to reach.' }),
  generation: z.int().positive().meta({ description: 'Version of agent, config and desired state.' }),
  status: z.enum(instanceStatuses).meta({ description: 'Current status of the instance.' }),
  observed_generation: z.int().nonnegative().meta({ description: 'Generation that `status` refers to.' }),
  metadata: json('Free for writers to use.'),
  sequence: rowVersion,
  created_at: timestamp('Time at which the row was inserted.'),
  updated_at: timestamp('Time of the last change, or of the deletion.'),
});
export type InstanceRow = z.output<typeof instanceRow>;

const agentRow = z.object({
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

const change = {
  schema_version: z.literal(1).meta({ description: 'Version of this format.' }),
  event_type: z.enum(['insert', 'update', 'delete']).meta({ description: 'Kind of change of the row.' }),
};

const versions = firstVersion({
  schema: z.discriminatedUnion('table', [
    z.object({ ...change, table: z.literal('instances'), row_data: instanceRow }),
    z.object({ ...change, table: z.literal('agents'), row_data: agentRow }),
  ]),
  example: {
    schema_version: 1,
    event_type: 'insert',
    table: 'instances',
    row_data: {
      id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      user_id: '3511421a-b5cc-4806-90cf-8d5394ec1ba1',
      config: { interval_ms: 1000 },
      desired_state: 'running',
      generation: 1,
      status: 'pending',
      observed_generation: 0,
      metadata: {},
      sequence: 1,
      created_at: '2025-01-01T12:00:00.123456+00:00',
      updated_at: '2025-01-01T12:00:00.123456+00:00',
    },
  },
});

/**
 * The JSON that the triggers write to `event_log`. NOTIFY sends the same JSON, but with `event_log_id` in the place of
 * `row_data` in two cases: for `agents`, because every login of the database may LISTEN and `runtime` may hold secrets; and
 * above `notifyLimitBytes`, because PostgreSQL refuses a payload of 8,000 bytes.
 */
export const notification = { versions, notifyLimitBytes: 7_500 };
export type Notification = ReturnType<typeof versions.read>;

const versioned = z.object({ schema_version: z.int() });

/**
 * @throws UnknownVersion
 * @throws z.ZodError when the JSON is of no documented form
 */
export function readNotification(written: unknown): Notification {
  return versions.read(versioned.parse(written).schema_version, written);
}
