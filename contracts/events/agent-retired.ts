import { z } from 'zod';
import { id, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const agentRetired = defineEvent({
  type: 'agent.retired',
  source: '/admin_backend/agents',
  published:
    'on behalf of `admin_backend`, after `retired_at` is set, after each later change, and after an agent is deleted.',
  sideEffects: {
    agents_worker:
      'lets new instances of the agent become `failed`. Running instances continue; with `drain` they are sent ' +
      '`instance.drain` and then stopped, with the reason `agent_retired`.',
    user_backend: 'refreshes its list of agents.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      agent_id: id('Id of the agent.'),
      retired_at: timestamp('Time at which the agent was retired.'),
      drain: z
        .boolean()
        .optional()
        .meta({ description: 'Whether running instances are stopped. If it is left out, they continue.' }),
    }),
    example: {
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      retired_at: '2025-02-03T04:05:06.000Z',
      drain: true,
    },
  }),
});
