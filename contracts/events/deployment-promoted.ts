import { z } from 'zod';
import { timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import { deploymentFields, deploymentProgress, exampleOfDeployment } from './deployment-fields.ts';

export const deploymentPromoted = defineEvent({
  type: 'deployment.promoted',
  source: '/shared_psql/deployments',
  published:
    'after the candidate became the current build. The previous build is kept until the window for a rollback has passed.',
  sideEffects: {
    deployer: 'none: the workflow wrote the promotion itself.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...deploymentFields,
      held: deploymentProgress.held,
      promoted_at: timestamp('Time at which the candidate became the current build.'),
    }),
    example: { ...exampleOfDeployment, held: 0, promoted_at: '2025-01-01T12:20:00.000Z' },
  }),
});
