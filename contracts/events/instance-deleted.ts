import { z } from 'zod';
import { id, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const instanceDeleted = defineEvent({
  type: 'instance.deleted',
  source: '/shared_psql/instances',
  published: 'after the delete of a row, as by the API of `user_backend`.',
  sideEffects: {
    agents_worker: 'cleans the instance up, then ends its workflow.',
    user_backend: 'push over WebSocket.',
    admin_backend: 'audit.',
  },
  versions: firstVersion({
    schema: z.object({
      instance_id: id('The instance.'),
      agent_id: id('The agent that it ran.'),
      user_id: id('Whose it was.'),
      deleted_at: timestamp('When the row was deleted.'),
    }),
    example: {
      instance_id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      user_id: '3511421a-b5cc-4806-90cf-8d5394ec1ba1',
      deleted_at: '2025-01-01T12:30:00.000Z',
    },
  }),
});
