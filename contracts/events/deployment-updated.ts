import { z } from 'zod';
import { timestamp } from '../fields.ts';
import { deploymentDesiredStates, deploymentStatuses } from '../names.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import {
  deploymentBlastRadius,
  deploymentFields,
  deploymentGate,
  deploymentProgress,
  deploymentReason,
  exampleOfDeployment,
} from './deployment-fields.ts';

export const deploymentUpdated = defineEvent({
  type: 'deployment.updated',
  source: '/shared_psql/deployments',
  published:
    'after every change of a deployment, but those that promote it or end its rollback. The ends `drained`, `refused`, `aborted` and ' +
    '`superseded` are published so, too.',
  sideEffects: {
    deployer: 'signals the workflow, which reads what is asked of the deployment.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...deploymentFields,
      status: z.enum(deploymentStatuses).meta({ description: 'Current status of the deployment.' }),
      desired_state: z
        .enum(deploymentDesiredStates)
        .meta({ description: 'State that the deployment is asked to reach.' }),
      ...deploymentProgress,
      gate: deploymentGate.optional(),
      blast_radius: deploymentBlastRadius.optional(),
      reason: deploymentReason.optional(),
      updated_at: timestamp('Time at which the deployment changed.'),
    }),
    example: {
      ...exampleOfDeployment,
      status: 'ramping',
      desired_state: 'running',
      percentage: 10,
      step: 2,
      held: 0,
      reset_instances: 0,
      gate: { replayed: 9312, failed: 0, problems: [], examples: [] },
      blast_radius: {
        examined: 9312,
        changed: 1,
        disruptive: 0,
        effects: { record: 1 },
        examples: [{ workflow_id: 'instance/5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10', effect: 'record' }],
      },
      updated_at: '2025-01-01T12:06:00.000Z',
    },
  }),
});
