import { z } from 'zod';
import { timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import { exampleOfRollout, rolloutCounts, rolloutFields } from './rollout-fields.ts';

export const rolloutCompleted = defineEvent({
  type: 'rollout.completed',
  source: '/shared_psql/rollouts',
  published: 'after the last instance was moved. The version is the stable one of the agent from then on.',
  sideEffects: {
    agents_worker: 'none: the workflow wrote the end of the rollout itself.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...rolloutFields,
      ...rolloutCounts,
      completed_at: timestamp('Time at which the rollout completed.'),
    }),
    example: {
      ...exampleOfRollout,
      wave: 11,
      total: 200,
      moved: 200,
      healthy: 199,
      failed: 1,
      completed_at: '2025-01-01T12:10:00.000Z',
    },
  }),
});
