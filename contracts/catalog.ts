import type { z } from 'zod';
import { agentPublished, agentRetired } from './agent-events.ts';
import { instanceCreated, instanceDeleted, instanceUpdated } from './instance-events.ts';

export interface EventDefinition<Body extends z.ZodType = z.ZodType> {
  /** Version of `body`; travels in the header `schema_version`. */
  schemaVersion: number;
  routingKey: string;
  /** Who the event is from, whichever process puts it on the bus. */
  source: string;
  consumers: readonly string[];
  sideEffects: string;
  body: Body;
}

/** Every event of the bus. One that is not here can be neither published nor consumed. */
export const catalog = {
  'instance.created': {
    schemaVersion: 1,
    routingKey: 'instance.created',
    source: '/shared_psql/instances',
    consumers: ['agents_worker', 'admin_backend'],
    sideEffects: 'Starts the workflow of the instance, which provisions it.',
    body: instanceCreated,
  },
  'instance.updated': {
    schemaVersion: 1,
    routingKey: 'instance.updated',
    source: '/shared_psql/instances',
    consumers: ['agents_worker', 'user_backend', 'admin_backend'],
    sideEffects: 'Reaches the workflow only when the row asks for something new; pushed to users over WebSocket.',
    body: instanceUpdated,
  },
  'instance.deleted': {
    schemaVersion: 1,
    routingKey: 'instance.deleted',
    source: '/shared_psql/instances',
    consumers: ['agents_worker', 'user_backend', 'admin_backend'],
    sideEffects: 'Cleans the instance up, then ends its workflow.',
    body: instanceDeleted,
  },
  'agent.published': {
    schemaVersion: 1,
    routingKey: 'agent.published',
    source: '/admin_backend/agents',
    consumers: ['agents_worker', 'user_backend', 'admin_backend'],
    sideEffects: 'Instances that waited for the agent are provisioned.',
    body: agentPublished,
  },
  'agent.retired': {
    schemaVersion: 1,
    routingKey: 'agent.retired',
    source: '/admin_backend/agents',
    consumers: ['agents_worker', 'user_backend', 'admin_backend'],
    sideEffects:
      'No new instance of the agent is provisioned; those that run go on, or are stopped where it says drain.',
    body: agentRetired,
  },
} as const satisfies Record<string, EventDefinition>;

export type EventType = keyof typeof catalog;
export type EventBody<Type extends EventType> = z.infer<(typeof catalog)[Type]['body']>;

export function isEventType(name: string): name is EventType {
  return Object.hasOwn(catalog, name);
}
