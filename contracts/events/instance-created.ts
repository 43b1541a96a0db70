import { z } from 'zod';
import { id, json, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const instanceCreated = defineEvent({
  type: 'instance.created',
  source: '/shared_psql/instances',
  published: 'after the insert of a row.',
  sideEffects: {
    agents_worker: 'starts the workflow of the instance, which provisions it.',
    admin_backend: 'audit.',
  },
  versions: firstVersion({
    schema: z.object({
      instance_id: id('The instance.'),
      agent_id: id('The agent that it runs.'),
      user_id: id('Whose it is.'),
      config: json('What its agent is given; at most 4 MiB and 100 levels deep. Its numbers are IEEE doubles.'),
      created_at: timestamp('When the row was inserted.'),
      status: z.literal('pending').meta({ description: 'Where every instance begins.' }),
    }),
    example: {
      instance_id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      user_id: '3511421a-b5cc-4806-90cf-8d5394ec1ba1',
      config: { interval_ms: 1000, greeting: 'こんにちは' },
      created_at: '2025-01-01T12:00:00.123Z',
      status: 'pending',
    },
  }),
});
