import { z } from 'zod';
import { timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import { deploymentFields, deploymentProgress, deploymentReason, exampleOfDeployment } from './deployment-fields.ts';

export const deploymentRolledBack = defineEvent({
  type: 'deployment.rolled_back',
  source: '/shared_psql/deployments',
  published:
    'after the previous build serves every instance again, because the candidate failed or a person asked for it.',
  sideEffects: {
    deployer: 'none: the workflow wrote the end of the rollback itself.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...deploymentFields,
      reason: deploymentReason,
      reset_instances: deploymentProgress.reset_instances,
      rolled_back_at: timestamp('Time at which the rollback ended.'),
    }),
    example: {
      ...exampleOfDeployment,
      reason: {
        code: 'task_failures',
        message:
          'A workflow task of 3 instances failed on the candidate, and none may: instance/5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10 (Nondeterminism error).',
      },
      reset_instances: 3,
      rolled_back_at: '2025-01-01T12:07:00.000Z',
    },
  }),
});
