import { z } from 'zod';
import { stopReasons } from './names.ts';

/** Body of `instance.stop`, version 1. */
export const instanceStop = z.object({
  instance_id: z.uuid(),
  reason: z.enum(stopReasons),
  /** When SIGTERM follows; earlier once nobody consumes the control queue any more. */
  deadline: z.iso.datetime(),
});
export type InstanceStop = z.infer<typeof instanceStop>;

/** Body of `instance.drain`, version 1. */
export const instanceDrain = z.object({ agent_id: z.uuid(), reason: z.literal('agent_retired') });
export type InstanceDrain = z.infer<typeof instanceDrain>;

export interface CommandDefinition<Body extends z.ZodType = z.ZodType> {
  /** Version of `body`; travels in the header `schema_version`. */
  schemaVersion: number;
  /** Whose id is the routing key, and the `cloudEvents:subject`: the agent's reaches all of its instances. */
  addressedTo: 'instance' | 'agent';
  source: string;
  sideEffects: string;
  body: Body;
}

/** Every command of `agents.direct`. Published by agents_worker alone, consumed by the agents that listen. */
export const controlCommands = {
  'instance.stop': {
    schemaVersion: 1,
    addressedTo: 'instance',
    source: '/agents_worker/instances',
    sideEffects: 'The agent finishes what is in hand and ends with exit code 0; SIGTERM follows.',
    body: instanceStop,
  },
  'instance.drain': {
    schemaVersion: 1,
    addressedTo: 'agent',
    source: '/agents_worker/agents',
    sideEffects: 'The agent takes on nothing new; an `instance.stop` to each of its instances follows.',
    body: instanceDrain,
  },
} as const satisfies Record<string, CommandDefinition>;

export type CommandType = keyof typeof controlCommands;
export type CommandBody<Type extends CommandType> = z.infer<(typeof controlCommands)[Type]['body']>;
