import { z } from 'zod';
import { json, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import { exampleOfRollout, rolloutFields } from './rollout-fields.ts';

export const rolloutRequested = defineEvent({
  type: 'rollout.requested',
  source: '/admin_backend/rollouts',
  published:
    'on behalf of `admin_backend`, after a rollout is inserted, or a version is published of an agent that has a strategy for rollouts.',
  sideEffects: {
    agents_worker: 'starts the workflow that drives the rollouts of the agent, or signals it.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...rolloutFields,
      strategy: json('Strategy as it was given. It is validated when the rollout begins.'),
      requested_by: z.string().meta({ description: 'Who requested the rollout, if that is known.' }).optional(),
      requested_at: timestamp('Time at which the rollout was requested.'),
    }),
    example: {
      ...exampleOfRollout,
      strategy: { canary: { percent: 5 }, max_parallel: { count: 10 } },
      requested_by: 'publication',
      requested_at: '2025-01-01T12:00:00.000Z',
    },
  }),
});
