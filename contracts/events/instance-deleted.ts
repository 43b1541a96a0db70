import { z } from 'zod';
import { hostId, id, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const instanceDeleted = defineEvent({
  type: 'instance.deleted',
  source: '/shared_psql/instances',
  published: 'after a row is deleted, e.g. by the API of `user_backend`.',
  sideEffects: {
    agents_worker: 'cleans up the instance, then completes its workflow.',
    user_backend: 'pushes it to WebSocket clients.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      instance_id: id('Id of the instance.'),
      agent_id: id('Agent that the instance ran.'),
      user_id: id('Owner of the instance.'),
      deleted_at: timestamp('Time at which the row was deleted.'),
      host_id: hostId,
    }),
    example: {
      instance_id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      user_id: '3511421a-b5cc-4806-90cf-8d5394ec1ba1',
      deleted_at: '2025-01-01T12:30:00.000Z',
      host_id: '7d1c3f0a-2b64-4e5b-8c1f-9a6e5d4c3b21',
    },
  }),
});
