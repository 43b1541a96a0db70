import { z } from 'zod';
import { id, json } from './fields.ts';
import { desiredStates, instanceStatuses } from './names.ts';
import { firstVersion } from './versions.ts';

/** PostgreSQL's ISO form in UTC, turned into the wire's `…Z` with milliseconds. */
function timestamp(description: string) {
  return z.iso
    .datetime({ offset: true })
    .meta({ description: `${description} As in \`2025-01-01T12:00:00.123456+00:00\`.` })
    .transform((text) => new Date(text).toISOString());
}

const rowVersion = z.int().positive().meta({ description: 'Version of the row: `cloudEvents:sequence`.' });

const instanceRow = z.object({
  id: id('The instance.'),
  agent_id: id('The agent that it runs.'),
  user_id: id('Whose it is.'),
  config: json('What its agent is given: on insert, and where an update changed it.').optional(),
  desired_state: z.enum(desiredStates).meta({ description: 'What is wanted.' }),
  generation: z.int().positive().meta({ description: 'Version of what is wanted.' }),
  status: z.enum(instanceStatuses).meta({ description: 'Where its life stands.' }),
  observed_generation: z.int().nonnegative().meta({ description: 'The generation that `status` speaks of.' }),
  metadata: json('Whatever its writers keep there.'),
  sequence: rowVersion,
  created_at: timestamp('When the row was inserted.'),
  updated_at: timestamp('When it changed last; on delete, when it was deleted.'),
});
export type InstanceRow = z.output<typeof instanceRow>;

const agentRow = z.object({
  id: id('The agent.'),
  name: z.string().meta({ description: 'For people.' }),
  version: z.string().meta({ description: 'Of the agent.' }),
  capabilities: z.array(z.string()).meta({ description: 'What it can do.' }),
  runtime: json('What is needed to run it: `contracts/runtime-spec.ts`. It never reaches the bus.'),
  retired_at: timestamp('Since when it is retired.').nullable().meta({ description: 'Since when it is retired.' }),
  drain: z.boolean().default(false).meta({
    description: 'Whether its retirement stops what runs. Missing in entries from before the column was there.',
  }),
  sequence: rowVersion,
  created_at: timestamp('When the row was inserted.'),
  updated_at: timestamp('When it changed last; on delete, when it was deleted.'),
});
export type AgentRow = z.output<typeof agentRow>;

const change = {
  schema_version: z.literal(1).meta({ description: 'Version of this JSON.' }),
  event_type: z.enum(['insert', 'update', 'delete']).meta({ description: 'What happened to the row.' }),
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
 * The triggers' JSON, as `event_log` keeps it. The payload of NOTIFY is the same, except that it leaves `row_data` out and
 * names the log entry in `event_log_id` where `table` is `agents`, because every login of the database may LISTEN and
 * `runtime` may hold secrets, and past `notifyLimitBytes` (PostgreSQL refuses 8,000 bytes and more).
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
