import { z } from 'zod';
import { id } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const agentPublished = defineEvent({
  type: 'agent.published',
  source: '/admin_backend/agents',
  published: 'for `admin_backend`, after the insert of an agent and each change of one that is not retired.',
  sideEffects: {
    agents_worker: 'instances that waited for the agent are provisioned.',
    user_backend: 'refreshes its catalog.',
    admin_backend: 'audit.',
  },
  versions: firstVersion({
    schema: z.object({
      agent_id: id('The agent.'),
      name: z.string().min(1).meta({ description: 'For people.' }),
      version: z.string().min(1).meta({ description: 'Of the agent, in whatever form its makers count.' }),
      capabilities: z.array(z.string()).meta({ description: 'What it can do.' }),
    }),
    example: {
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      name: 'heartbeat',
      version: '1.0.0',
      capabilities: ['chat', 'search'],
    },
  }),
});
