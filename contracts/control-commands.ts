import { z } from 'zod';
import { id, timestamp } from './fields.ts';
import { stopReasons } from './names.ts';
import { firstVersion, type BodyOf, type Versions } from './versions.ts';

export interface CommandDefinition<Body = unknown> {
  /** Whose id is the routing key, and the `cloudEvents:subject`: the agent's reaches all of its instances. */
  addressedTo: 'instance' | 'agent';
  /** `cloudEvents:source`. */
  source: string;
  /** Completes "Published by agents_worker …". */
  published: string;
  /** What the agent does. */
  sideEffects: string;
  versions: Versions<Body>;
}

/** Every command of `agents.direct`. Published by agents_worker alone, consumed by the agents that listen. */
export const controlCommands = {
  'instance.stop': {
    addressedTo: 'instance',
    source: '/agents_worker/instances',
    published:
      'before the agent is sent SIGTERM: when its row or its desired state asks for the end, when it is replaced by a new ' +
      'generation, or after a drain.',
    sideEffects: 'finish what is in hand and end with exit code 0; SIGTERM follows.',
    versions: firstVersion({
      schema: z.object({
        instance_id: id('The instance that is to stop.'),
        reason: z.enum(stopReasons).meta({ description: 'Why.' }),
        deadline: timestamp(
          'When SIGTERM follows: `CONTROL_HEAD_START_SECONDS` after the command; earlier once nobody consumes the queue any more.',
        ),
      }),
      example: {
        instance_id: '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10',
        reason: 'stopped',
        deadline: '2025-01-01T12:30:01.000Z',
      },
    }),
  },
  'instance.drain': {
    addressedTo: 'agent',
    source: '/agents_worker/agents',
    published: 'when an agent is retired with `drain`: one message for all instances.',
    sideEffects: 'take on nothing new; an `instance.stop` to each instance follows.',
    versions: firstVersion({
      schema: z.object({
        agent_id: id('The agent whose instances are drained.'),
        reason: z.literal('agent_retired').meta({ description: 'Why.' }),
      }),
      example: { agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01', reason: 'agent_retired' },
    }),
  },
} as const satisfies Record<string, CommandDefinition>;

export type CommandType = keyof typeof controlCommands;
export type CommandBody<Type extends CommandType> = BodyOf<(typeof controlCommands)[Type]>;

export const commandTypes = Object.keys(controlCommands) as CommandType[];

export function isCommandType(name: string): name is CommandType {
  return Object.hasOwn(controlCommands, name);
}
