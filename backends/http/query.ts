import { z } from 'zod';

/** Parameters that several queries have. */

/** Only `true` and `false` are accepted. */
export const flag = (description: string) =>
  z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .default(false)
    .meta({ type: 'boolean', description });

/** Largest number of entries in an answer. */
export const limitOf = (max: number, usual: number) =>
  z.coerce.number().int().min(1).max(max).default(usual).meta({ type: 'integer' });
