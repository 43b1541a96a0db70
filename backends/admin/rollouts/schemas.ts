import { z } from 'zod';
import { id } from '../../../contracts/fields.ts';
import { rolloutOutcomes, rolloutStatuses } from '../../../contracts/names.ts';
import { rolloutStrategy } from '../../../contracts/rollout-strategy.ts';
import { movedInstance, rolloutJson } from '../../../database/rollouts/rollout-json.ts';
import { limitOf } from '../../http/query.ts';

const { $schema: _, ...strategyJsonSchema } = z.toJSONSchema(rolloutStrategy, { io: 'input' });

/** Validated with the times of the version, so that all faults of a strategy are answered in the same way. */
export const strategy = z
  .unknown()
  .refine((given) => typeof given === 'object' && given !== null && !Array.isArray(given), 'It must be an object.')
  .transform((given) => given as object)
  .meta({
    ...strategyJsonSchema,
    description: 'How the rollout proceeds. docs/rollouts.md has its members and defaults.',
  });

export const rolloutPath = z.object({ id: id('The rollout.').toLowerCase() });

export const newRollout = z
  .strictObject({
    version: z.string().min(1).meta({ description: 'Version of the agent that its instances are moved to.' }),
    strategy: strategy.optional(),
  })
  .meta({ id: 'NewRollout' });

export const rolloutsOfAgentQuery = z.strictObject({
  status: z.enum(rolloutStatuses).optional(),
  limit: limitOf(1_000, 100),
});

export const rolloutQuery = rolloutsOfAgentQuery.extend({
  agent_id: id('Only rollouts of this agent.').toLowerCase().optional(),
});

export const rolloutList = z.object({ rollouts: z.array(rolloutJson) });

/** The largest integer of PostgreSQL. */
const mostWaves = 2 ** 31 - 1;

export const movedQuery = z.strictObject({
  wave: z.coerce
    .number()
    .int()
    .min(1)
    .max(mostWaves)
    .meta({ type: 'integer', description: 'Only this wave.' })
    .optional(),
  outcome: z.enum(rolloutOutcomes).optional(),
  after: id('`next_after` of the page before.').toLowerCase().optional(),
  limit: limitOf(1_000, 200),
});

export const movedPage = z.object({
  instances: z.array(movedInstance),
  next_after: z.string().nullable().meta({ description: '`after` of the next page; null on the last one.' }),
});
