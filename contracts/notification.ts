import { z } from 'zod';
import { desiredStates, instanceStatuses } from './names.ts';

/** PostgreSQL's ISO form in UTC (`2025-01-01T12:00:00.123456+00:00`), turned into the wire's `…Z` with milliseconds. */
const timestamp = z.iso.datetime({ offset: true }).transform((text) => new Date(text).toISOString());

/** A row of `instances` as the trigger writes it. `config` is there on insert and where an update changed it. */
export const instanceRow = z.object({
  id: z.uuid(),
  agent_id: z.uuid(),
  user_id: z.uuid(),
  config: z.record(z.string(), z.unknown()).optional(),
  desired_state: z.enum(desiredStates),
  generation: z.int().positive(),
  status: z.enum(instanceStatuses),
  observed_generation: z.int().nonnegative(),
  metadata: z.record(z.string(), z.unknown()),
  created_at: timestamp,
  updated_at: timestamp,
});
export type InstanceRow = z.infer<typeof instanceRow>;

/** A row of `agents` as the trigger writes it. */
export const agentRow = z.object({
  id: z.uuid(),
  name: z.string(),
  version: z.string(),
  capabilities: z.array(z.string()),
  retired_at: timestamp.nullable(),
  /** Missing in entries from before the column was there. */
  drain: z.boolean().default(false),
  updated_at: timestamp,
});
export type AgentRow = z.infer<typeof agentRow>;

const change = { schema_version: z.literal(1), event_type: z.enum(['insert', 'update', 'delete']) };

/**
 * The triggers' JSON, version 1, as `event_log` keeps it. The payload of NOTIFY is the same, except that past 7,500
 * bytes it leaves `row_data` out and names the log entry in `event_log_id` (PostgreSQL refuses 8,000 bytes and more).
 */
export const notification = z.discriminatedUnion('table', [
  z.object({ ...change, table: z.literal('instances'), row_data: instanceRow }),
  z.object({ ...change, table: z.literal('agents'), row_data: agentRow }),
]);
export type Notification = z.infer<typeof notification>;
