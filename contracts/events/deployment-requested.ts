import { z } from 'zod';
import { json, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import { deploymentFields, exampleOfDeployment } from './deployment-fields.ts';

export const deploymentRequested = defineEvent({
  type: 'deployment.requested',
  source: '/admin_backend/deployments',
  published: 'on behalf of `admin_backend`, after a deployment is inserted.',
  sideEffects: {
    deployer: 'starts the workflow that drives the deployments of the name, or signals it.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...deploymentFields,
      strategy: json('Strategy as it was given: what is left out has its default.'),
      requested_by: z.string().meta({ description: 'Who requested the deployment, if that is known.' }).optional(),
      requested_at: timestamp('Time at which the deployment was requested.'),
    }),
    example: {
      ...exampleOfDeployment,
      strategy: { steps: [1, 10, 50, 100], bake_seconds: 300 },
      requested_by: '3511421a-b5cc-4806-90cf-8d5394ec1ba1',
      requested_at: '2025-01-01T12:00:00.000Z',
    },
  }),
});
