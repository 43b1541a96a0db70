import { z } from 'zod';
import { agentVersion, hostId, id, json, runningVersion, timestamp, versionPolicy } from '../fields.ts';
import { instanceStatuses } from '../names.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const instanceUpdated = defineEvent({
  type: 'instance.updated',
  source: '/shared_psql/instances',
  published:
    'after every change of a row. After the clean-up of a deleted instance it is published once more, with `stopped`.',
  sideEffects: {
    agents_worker:
      'signals the workflow if `generation` is above `observed_generation`, and ignores the event otherwise.',
    user_backend: 'pushes it to WebSocket clients.',
    admin_backend: 'appends to the audit log.',
  },
  versions: firstVersion({
    schema: z.object({
      instance_id: id('Id of the instance.'),
      status: z.enum(instanceStatuses).meta({ description: 'Current status of the instance.' }),
      metadata: json('Free for writers to use. `status_reason` holds the reason for the status.').optional(),
      updated_at: timestamp('Time at which the row changed.'),
      host_id: hostId,
      agent_version: agentVersion,
      running_version: runningVersion,
      version_policy: versionPolicy,
    }),
    example: {
      instance_id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
      status: 'failed',
      metadata: { status_reason: { code: 'agent_exited', message: 'The agent ended with exit code 1.' } },
      updated_at: '2025-01-01T12:00:03.500Z',
      host_id: '7d1c3f0a-2b64-4e5b-8c1f-9a6e5d4c3b21',
      agent_version: '1.0.0',
      running_version: null,
      version_policy: 'follow',
    },
  }),
});
