import { z } from 'zod';
import {
  deploymentBlastRadius,
  deploymentFields,
  deploymentGate,
  deploymentProgress,
  deploymentReason,
} from '../../contracts/events/deployment-fields.ts';
import { id, json, timestamp } from '../../contracts/fields.ts';
import {
  deploymentDesiredStates,
  deploymentFindings,
  deploymentStatuses,
  instanceStatuses,
} from '../../contracts/names.ts';

const { deployment_name, build_id, previous_build_id } = deploymentFields;

/** A deployment as admin_backend answers it and as `npx instances deployments list --json` prints it. */
export const deploymentJson = z
  .object({
    id: id('The deployment.'),
    deployment_name,
    build_id,
    previous_build_id,
    strategy: json('Strategy as it was given: what is left out has its default.'),
    steps: z
      .array(z.number())
      .meta({ description: 'Steps of the strategy, as percentages; empty if it cannot be followed.' }),
    desired_state: z
      .enum(deploymentDesiredStates)
      .meta({ description: 'State that the deployment is asked to reach.' }),
    status: z.enum(deploymentStatuses),
    ...deploymentProgress,
    gate: deploymentGate.nullable(),
    blast_radius: deploymentBlastRadius.nullable(),
    reason: deploymentReason.nullable(),
    requested_by: z
      .string()
      .nullable()
      .meta({ description: 'Who requested it: the id of an admin, or a user at the command line.' }),
    requested_at: timestamp('Time of its request.'),
    updated_at: timestamp('Time of its last change.'),
    promoted_at: timestamp('Time at which the candidate became the current build; null before.').nullable(),
    ended_at: timestamp('Time of its end; null before.').nullable(),
  })
  .meta({ id: 'Deployment', description: 'It makes a build of agents_worker the current one, step by step.' });
export type DeploymentJson = z.infer<typeof deploymentJson>;

export const deploymentInstance = z
  .object({
    instance_id: id('The instance. It may have been deleted since.'),
    finding: z.enum(deploymentFindings).meta({
      description:
        '`replay_failed`: the candidate cannot replay its history. `would_change`: the candidate would do something at its next task. ' +
        '`held`: it stays on the previous build. `probe_failed`: the candidate did not answer for it. `task_failed`: a workflow task ' +
        'failed on the candidate. `instance_failed`: its status became failed. `reset`: its workflow was reset in the rollback.',
    }),
    message: z.string(),
    found_at: timestamp('Time of the finding.'),
    healed_at: timestamp('Time at which the instance was well again; null before.').nullable(),
    status: z.enum(instanceStatuses).nullable().meta({ description: 'Its status now; null if it was deleted.' }),
  })
  .meta({ id: 'DeploymentInstance', description: 'An instance of which something was found during a deployment.' });
export type DeploymentInstance = z.infer<typeof deploymentInstance>;

export const workerBuild = z
  .object({
    deployment_name,
    build_id: z.string().meta({ description: 'Build of agents_worker.' }),
    is_current: z.boolean().meta({ description: 'Whether tasks go to this build.' }),
    ramping_percentage: z.number().nullable().meta({
      description: 'Part of the instances that it serves while it ramps, in percent; null if it does not ramp.',
    }),
    is_running: z.boolean().meta({ description: 'Whether a worker of this build runs.' }),
    first_seen_at: timestamp('Time at which a worker of this build was seen first.'),
  })
  .meta({ id: 'WorkerBuild', description: 'A build of agents_worker that was seen.' });
export type WorkerBuild = z.infer<typeof workerBuild>;
