import { z } from 'zod';
import { id, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const agentRetired = defineEvent({
  type: 'agent.retired',
  source: '/admin_backend/agents',
  published: 'for `admin_backend`, after `retired_at` was set, each later change, and the delete of an agent.',
  sideEffects: {
    agents_worker:
      'no new instance of the agent is provisioned: it becomes `failed`. Those that run go on; with `drain` they get ' +
      '`instance.drain`, are stopped, and are `stopped` for the reason `agent_retired`.',
    user_backend: 'refreshes its catalog.',
    admin_backend: 'audit.',
  },
  versions: firstVersion({
    schema: z.object({
      agent_id: id('The agent.'),
      retired_at: timestamp('Since when.'),
      drain: z
        .boolean()
        .optional()
        .meta({ description: 'Whether the instances that run are stopped. Left out, they go on.' }),
    }),
    example: {
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      retired_at: '2025-02-03T04:05:06.000Z',
      drain: true,
    },
  }),
});
