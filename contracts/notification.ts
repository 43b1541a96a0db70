import { z } from 'zod';
import { agentRow, instanceRow } from './rows.ts';
import { firstVersion } from './versions.ts';

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
