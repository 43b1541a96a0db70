import { z } from 'zod';
import { agentRow, deploymentRow, instanceRow, rolloutRow } from './rows.ts';
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

/** The same JSON of the table `rollouts`, a contract of its own: readers of the other tables need not know it. */
export const rolloutNotification = {
  versions: firstVersion({
    schema: z.object({ ...change, table: z.literal('rollouts'), row_data: rolloutRow }),
    example: {
      schema_version: 1,
      event_type: 'insert',
      table: 'rollouts',
      row_data: {
        id: '8a1f0d3c-6b52-4e0f-9a57-2c4d8e6f1b30',
        agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
        version: '1.1.0',
        strategy: { canary: { percent: 5 } },
        desired_state: 'running',
        promoted: false,
        status: 'requested',
        wave: 0,
        total: 0,
        moved: 0,
        healthy: 0,
        failed: 0,
        reverted: 0,
        reason: null,
        requested_by: null,
        sequence: 1,
        created_at: '2025-01-01T12:00:00.123456+00:00',
        updated_at: '2025-01-01T12:00:00.123456+00:00',
        ended_at: null,
      },
    },
  }),
};

/** The same JSON of the table `deployments`, likewise a contract of its own. */
export const deploymentNotification = {
  versions: firstVersion({
    schema: z.object({ ...change, table: z.literal('deployments'), row_data: deploymentRow }),
    example: {
      schema_version: 1,
      event_type: 'insert',
      table: 'deployments',
      row_data: {
        id: '3b7f6c1e-2d84-4f0a-8a35-61c0f2f4b9d1',
        deployment_name: 'agents-worker',
        build_id: '1.5.0-9f2c41d07ab3',
        previous_build_id: '1.4.0-51b6e0c8d2f4',
        strategy: { steps: [1, 10, 50, 100] },
        desired_state: 'running',
        status: 'requested',
        percentage: 0,
        step: 0,
        held: 0,
        reset_instances: 0,
        gate: null,
        blast_radius: null,
        reason: null,
        requested_by: null,
        sequence: 1,
        requested_at: '2025-01-01T12:00:00.123456+00:00',
        updated_at: '2025-01-01T12:00:00.123456+00:00',
        promoted_at: null,
        ended_at: null,
      },
    },
  }),
};

export type Notification =
  | ReturnType<typeof versions.read>
  | ReturnType<typeof rolloutNotification.versions.read>
  | ReturnType<typeof deploymentNotification.versions.read>;

const versioned = z.object({ schema_version: z.int(), table: z.unknown() });

/**
 * @throws UnknownVersion
 * @throws z.ZodError when the JSON is of no documented form
 */
export function readNotification(written: unknown): Notification {
  const { schema_version: version, table } = versioned.parse(written);
  switch (table) {
    case 'rollouts':
      return rolloutNotification.versions.read(version, written);
    case 'deployments':
      return deploymentNotification.versions.read(version, written);
    default:
      return versions.read(version, written);
  }
}
