import { z } from 'zod';
import { id, timestamp } from './fields.ts';
import { stopReasons } from './names.ts';
import { firstVersion, type BodyOf, type Versions } from './versions.ts';

export interface CommandDefinition<Body = unknown> {
  /** The id of this object is routing key and `cloudEvents:subject`. The id of an agent reaches all of its instances. */
  addressedTo: 'instance' | 'agent';
  /** The header `cloudEvents:source`. */
  source: string;
  /** Completes "Published by agents_worker …". */
  published: string;
  /** What the agent does with the command. */
  sideEffects: string;
  versions: Versions<Body>;
}

/** Every command on `agents.direct`. Only agents_worker publishes commands, and agents with a control queue consume them. */
export const controlCommands = {
  'instance.stop': {
    addressedTo: 'instance',
    source: '/agents_worker/instances',
    published:
      'before SIGTERM is sent to the agent: when the instance is deleted or its desired state becomes `stopped`, when a ' +
      'new generation replaces the agent, or after a drain.',
    sideEffects: 'finishes its current work and ends with exit code 0. SIGTERM follows.',
    versions: firstVersion({
      schema: z.object({
        instance_id: id('Instance that is asked to stop.'),
        reason: z.enum(stopReasons).meta({ description: 'Why the agent is asked to stop.' }),
        deadline: timestamp(
          'Time at which SIGTERM follows: `CONTROL_HEAD_START_SECONDS` after the command, or earlier once the queue has no consumer.',
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
    published: 'when an agent is retired with `drain`: one message for all of its instances.',
    sideEffects: 'accepts no new work. An `instance.stop` to each instance follows.',
    versions: firstVersion({
      schema: z.object({
        agent_id: id('Agent whose instances are drained.'),
        reason: z.literal('agent_retired').meta({ description: 'Why the instances are drained.' }),
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
