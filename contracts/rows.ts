import { z } from 'zod';
import {
  deploymentBlastRadius,
  deploymentFields,
  deploymentGate,
  deploymentProgress,
  deploymentReason,
} from './events/deployment-fields.ts';
import { rolloutCounts, rolloutReason } from './events/rollout-fields.ts';
import { agentVersion, hostId, id, json, runningVersion, stableVersion, versionPolicy } from './fields.ts';
import {
  deploymentDesiredStates,
  deploymentStatuses,
  desiredStates,
  instanceStatuses,
  rolloutDesiredStates,
  rolloutStatuses,
} from './names.ts';

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
  generation: z
    .int()
    .positive()
    .meta({ description: 'Counts the changes of the agent, its version, the config and the desired state.' }),
  status: z.enum(instanceStatuses).meta({ description: 'Current status of the instance.' }),
  observed_generation: z.int().nonnegative().meta({ description: 'Generation that `status` refers to.' }),
  metadata: json('Free for writers to use.'),
  host_id: hostId,
  agent_version: agentVersion,
  running_version: runningVersion,
  version_policy: versionPolicy,
  status_sequence: z
    .int()
    .nonnegative()
    .meta({ description: 'Version of the row with the last status that was recorded. Older entries lack it.' })
    .optional(),
  status_changed_at: timestamp('Time of the last change of `status`. Older entries lack it.').optional(),
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
  stable_version: stableVersion,
  rollout: json('Strategy of the rollouts that new versions begin; null or left out if they begin none.')
    .nullable()
    .optional(),
  sequence: rowVersion,
  created_at: timestamp('Time at which the row was inserted.'),
  updated_at: timestamp('Time of the last change, or of the deletion.'),
});
export type AgentRow = z.output<typeof agentRow>;

export const rolloutRow = z.object({
  id: id('Id of the rollout.'),
  agent_id: id('Agent whose instances are moved.'),
  version: z.string().meta({ description: 'Version that the instances are moved to.' }),
  strategy: json('Strategy as it was given.'),
  desired_state: z.enum(rolloutDesiredStates).meta({ description: 'State that the rollout is asked to reach.' }),
  promoted: z.boolean().meta({ description: 'Whether somebody allowed the waves after the canary.' }),
  status: z.enum(rolloutStatuses).meta({ description: 'Current status of the rollout.' }),
  ...rolloutCounts,
  reverted: z.int().nonnegative().meta({ description: 'Instances that were given back their version.' }),
  reason: rolloutReason.nullable(),
  requested_by: z.string().nullable().meta({ description: 'Who requested the rollout.' }),
  sequence: rowVersion,
  created_at: timestamp('Time at which the row was inserted.'),
  updated_at: timestamp('Time of the last change, or of the deletion.'),
  ended_at: timestamp('Time at which the rollout ended.')
    .nullable()
    .meta({ description: 'Time at which the rollout ended; null before.' }),
});
export type RolloutRow = z.output<typeof rolloutRow>;

const { deployment_name, build_id, previous_build_id } = deploymentFields;

export const deploymentRow = z.object({
  id: id('Id of the deployment.'),
  deployment_name,
  build_id,
  previous_build_id,
  strategy: json('Strategy as it was given.'),
  desired_state: z.enum(deploymentDesiredStates).meta({ description: 'State that the deployment is asked to reach.' }),
  status: z.enum(deploymentStatuses).meta({ description: 'Current status of the deployment.' }),
  ...deploymentProgress,
  gate: deploymentGate.nullable(),
  blast_radius: deploymentBlastRadius.nullable(),
  reason: deploymentReason.nullable(),
  requested_by: z.string().nullable().meta({ description: 'Who requested the deployment.' }),
  sequence: rowVersion,
  requested_at: timestamp('Time at which the row was inserted.'),
  updated_at: timestamp('Time of the last change, or of the deletion.'),
  promoted_at: timestamp('Time at which the candidate became the current build.')
    .nullable()
    .meta({ description: 'Time at which the candidate became the current build; null before.' }),
  ended_at: timestamp('Time at which the deployment ended.')
    .nullable()
    .meta({ description: 'Time at which the deployment ended; null before.' }),
});
export type DeploymentRow = z.output<typeof deploymentRow>;
