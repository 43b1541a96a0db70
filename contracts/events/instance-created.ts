import { z } from 'zod';
import { agentVersion, hostId, id, json, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const instanceCreated = defineEvent({
  type: 'instance.created',
  source: '/shared_psql/instances',
  published: 'after a row is inserted.',
  sideEffects: {
    agents_worker: 'starts the workflow of the instance, which provisions it.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      instance_id: id('Id of the instance.'),
      agent_id: id('Agent that the instance runs.'),
      user_id: id('Owner of the instance.'),
      config: json('Settings that the agent receives: at most 4 MiB and 100 levels deep. Numbers are IEEE doubles.'),
      created_at: timestamp('Time at which the row was inserted.'),
      status: z.literal('pending').meta({ description: 'The first status of every instance.' }),
      host_id: hostId,
      agent_version: agentVersion,
    }),
    example: {
      instance_id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      user_id: '3511421a-b5cc-4806-90cf-8d5394ec1ba1',
      config: { interval_ms: 1000, greeting: 'こんにちは' },
      created_at: '2025-01-01T12:00:00.123Z',
      status: 'pending',
      host_id: null,
      agent_version: '1.0.0',
    },
  }),
});
