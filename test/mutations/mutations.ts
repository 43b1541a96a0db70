/** A change that the fast tests must notice. */
export interface Mutation {
  name: string;
  /** Relative to the root of the repository. Without `find`, it is a new file. */
  file: string;
  /** The file has this text exactly once. */
  find?: string;
  replace: string;
  /** Matches the report that names the cause. */
  says: RegExp;
}

export const mutations: readonly Mutation[] = [
  {
    name: 'a renamed field',
    file: 'contracts/events/instance-deleted.ts',
    find: 'deleted_at: timestamp(',
    replace: 'removed_at: timestamp(',
    says: /instance\.deleted, version 1, .*`deleted_at`.*renamed.*/,
  },
  {
    name: 'a narrowed enum',
    file: 'contracts/names.ts',
    find: "export const instanceStatuses = ['pending', 'running', 'failed', 'stopped']",
    replace: "export const instanceStatuses = ['pending', 'running', 'failed']",
    says: /instance\.updated, version 1, .*`status`.*"stopped".*/,
  },
  {
    name: 'a widened enum',
    file: 'contracts/names.ts',
    find: "export const desiredStates = ['running', 'stopped']",
    replace: "export const desiredStates = ['running', 'stopped', 'paused']",
    says: /headers\.instance_event, version 1, .*`desired_state`.*"paused".*/,
  },
  {
    name: 'an optional field made mandatory',
    file: 'contracts/events/agent-retired.ts',
    find: '.boolean()\n        .optional()\n',
    replace: '.boolean()\n',
    says: /agent\.retired, version 1, .*`drain` was optional and is required.*/,
  },
  {
    name: 'a new mandatory field without a new version',
    file: 'contracts/events/agent-published.ts',
    find: 'capabilities: z.array(z.string())',
    replace: 'owner: z.string(),\n      capabilities: z.array(z.string())',
    says: /agent\.published, version 1, .*`owner`.*/,
  },
  {
    name: 'a dropped header',
    file: 'contracts/envelope.ts',
    find: "  'cloudEvents:correlationid': id('Shared by all messages that result from one change.'),\n",
    replace: '',
    says: /headers\.agent_event, version 1, .*`cloudEvents:correlationid`.*gone.*/,
  },
  {
    name: 'a changed default',
    file: 'contracts/rows.ts',
    find: '.default(false)',
    replace: '.default(true)',
    says: /notification, version 1, .*`\(table=agents\)\.row_data\.drain`.*default.*/,
  },
  {
    name: 'a missing binding',
    file: 'contracts/topology.ts',
    find: "'user_backend', ['instance.updated', 'instance.deleted'],",
    replace: "'user_backend', ['instance.updated'],",
    says: /topology, version 1, .*user_backend\.ws_updates.*instance\.deleted.*/,
  },
  {
    name: 'a binding that no event has',
    file: 'contracts/topology.ts',
    find: "'user_backend', ['instance.updated', 'instance.deleted'],",
    replace: "'user_backend', ['instance.updated', 'instance.deleted', 'instance.paused'],",
    says: /topology\.ts.*error.*"instance\.paused".*/,
  },
  {
    name: 'another argument of a queue',
    file: 'contracts/topology.ts',
    find: 'const deliveryLimit = 100;',
    replace: 'const deliveryLimit = 50;',
    says: /topology, version 1, .*x-delivery-limit.*100.*50.*/,
  },
  {
    name: 'an event that left the catalog',
    file: 'contracts/catalog.ts',
    find: "  'agent.retired': agentRetired,\n",
    replace: '',
    says: /agent\.retired, version 1 was released and is no longer there.*/,
  },
  {
    name: 'a trigger that names a part otherwise',
    file: 'database/migrations/0001_event_log.sql',
    find: "envelope || jsonb_build_object('row_data', p_row_data)",
    replace: "envelope || jsonb_build_object('row', p_row_data)",
    says: /must have required property 'row_data'/,
  },
  {
    name: 'a trigger that leaves a column out',
    file: 'database/migrations/0003_instances.sql',
    find: 'row_data := to_jsonb(new);',
    replace: "row_data := to_jsonb(new) - 'user_id';",
    says: /\/row_data must have required property 'user_id'/,
  },
  {
    name: 'a column that the contract does not name',
    file: 'database/migrations/0099_priority.sql',
    replace: '-- Up Migration\nalter table instances add column priority integer;\n',
    says: /\/row_data must NOT have additional properties.*priority.*/,
  },
  {
    name: 'a version that only the trigger writes',
    file: 'database/migrations/0001_event_log.sql',
    find: "jsonb_build_object('schema_version', 1,",
    replace: "jsonb_build_object('schema_version', 2,",
    says: /\/schema_version must be equal to constant.*/,
  },
  {
    name: 'a publisher that writes a field under another name',
    file: 'bridge/event-broker/event-of-row.ts',
    find: 'deleted_at: updated_at',
    replace: 'removed_at: updated_at',
    says: /instance\.deleted: ✖[^→]*→ at deleted_at/,
  },
  {
    name: 'a stale page',
    file: 'docs/event-bus-contracts.md',
    find: '| `admin_backend.audit`      | `events.topic` | `agent.*`, `instance.*`, `rollout.*`, `deployment.*` ',
    replace: '| `admin_backend.audit`      | `events.topic` | `agent.*`, `instance.*`, `rollout.*`                 ',
    says: /docs\/event-bus-contracts\.md is stale.*line \d+.*contracts:generate.*/,
  },
  {
    name: 'a stale AsyncAPI document',
    file: 'docs/asyncapi.json',
    find: '"title": "Event bus of the instance engine"',
    replace: '"title": "Event bus"',
    says: /docs\/asyncapi\.json is stale.*line \d+.*contracts:generate.*/,
  },
  {
    name: 'a released schema that was edited',
    file: 'contracts/released/agent.retired/1.0.json',
    find: '"agent_id",',
    replace: '',
    says: /contracts\/released\/agent\.retired\/1\.0\.json was released and must not change: git checkout/,
  },
];
