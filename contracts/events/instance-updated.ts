import { z } from 'zod';
import { id, json, timestamp } from '../fields.ts';
import { instanceStatuses } from '../names.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const instanceUpdated = defineEvent({
  type: 'instance.updated',
  source: '/shared_psql/instances',
  published: 'after every change of a row, and once more, with `stopped`, after the clean-up of a deleted one.',
  sideEffects: {
    agents_worker: 'tells the workflow, only where `generation` is above `observed_generation`.',
    user_backend: 'push over WebSocket.',
    admin_backend: 'audit.',
  },
  versions: firstVersion({
    schema: z.object({
      instance_id: id('The instance.'),
      status: z.enum(instanceStatuses).meta({ description: 'Where its life stands.' }),
      metadata: json('Whatever its writers keep there; `status_reason` says why the status is what it is.').optional(),
      updated_at: timestamp('When the row changed.'),
    }),
    example: {
      instance_id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
      status: 'failed',
      metadata: { status_reason: { code: 'agent_exited', message: 'The agent ended with exit code 1.' } },
      updated_at: '2025-01-01T12:00:03.500Z',
    },
  }),
});
