import { z } from 'zod';
import { timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';
import { exampleOfRollout, rolloutCounts, rolloutFields, rolloutReason } from './rollout-fields.ts';

export const rolloutRolledBack = defineEvent({
  type: 'rollout.rolled_back',
  source: '/shared_psql/rollouts',
  published:
    'after the instances that a rollout had moved were given back their versions, because the version failed. The version is withdrawn.',
  sideEffects: {
    agents_worker: 'none: the workflow wrote the end of the rollout itself.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      ...rolloutFields,
      ...rolloutCounts,
      reverted: z.int().nonnegative().meta({ description: 'Instances that were given back their version.' }),
      reason: rolloutReason,
      rolled_back_at: timestamp('Time at which the rollback ended.'),
    }),
    example: {
      ...exampleOfRollout,
      wave: 1,
      total: 200,
      moved: 10,
      healthy: 0,
      failed: 3,
      reverted: 10,
      reason: {
        code: 'canary_failed',
        message:
          '3 of the 10 moved instances failed, and in the canary none may: 5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10 (The agent ended with exit code 1.)',
      },
      rolled_back_at: '2025-01-01T12:02:00.000Z',
    },
  }),
});
