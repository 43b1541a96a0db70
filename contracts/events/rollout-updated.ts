import { z } from 'zod';
import { timestamp } from '../fields.ts';
import { rolloutDesiredStates, rolloutStatuses } from '../names.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import { exampleOfRollout, rolloutCounts, rolloutFields, rolloutReason } from './rollout-fields.ts';

export const rolloutUpdated = defineEvent({
  type: 'rollout.updated',
  source: '/shared_psql/rollouts',
  published:
    'after every change of a rollout, but those that complete it or end its rollback. The ends `aborted`, `superseded` and `refused` ' +
    'are published so, too.',
  sideEffects: {
    agents_worker: 'signals the workflow if the rollout waits, and ignores the event otherwise.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...rolloutFields,
      status: z.enum(rolloutStatuses).meta({ description: 'Current status of the rollout.' }),
      desired_state: z.enum(rolloutDesiredStates).meta({ description: 'State that the rollout is asked to reach.' }),
      ...rolloutCounts,
      reason: rolloutReason.optional(),
      updated_at: timestamp('Time at which the rollout changed.'),
    }),
    example: {
      ...exampleOfRollout,
      status: 'paused',
      desired_state: 'running',
      wave: 1,
      total: 200,
      moved: 10,
      healthy: 10,
      failed: 0,
      reason: {
        code: 'awaiting_promotion',
        message: 'All 10 instances of the canary are healthy. Promote the rollout.',
      },
      updated_at: '2025-01-01T12:01:00.000Z',
    },
  }),
});
