import { z } from 'zod';
import { id, stableVersion } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const agentPublished = defineEvent({
  type: 'agent.published',
  source: '/admin_backend/agents',
  published:
    'on behalf of `admin_backend`, after an agent is inserted, and after each change of an agent that is not retired.',
  sideEffects: {
    agents_worker: 'provisions the instances that wait for the agent.',
    user_backend: 'refreshes its list of agents.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      agent_id: id('Id of the agent.'),
      name: z.string().min(1).meta({ description: 'Display name.' }),
      version: z.string().min(1).meta({ description: 'Newest version of the agent, in any format.' }),
      capabilities: z.array(z.string()).meta({ description: 'Capabilities that the agent offers.' }),
      stable_version: stableVersion,
    }),
    example: {
      agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      name: 'heartbeat',
      version: '1.0.0',
      capabilities: ['chat', 'search'],
      stable_version: '1.0.0',
    },
  }),
});
