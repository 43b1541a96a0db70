import { z } from 'zod';
import { id } from '../../../contracts/fields.ts';
import { hostJson } from '../../../database/hosts/host-json.ts';

/** An id in capital letters is the same id. */
export const hostPath = z.object({ id: id('The host.').toLowerCase() });

export const hostList = z.object({ hosts: z.array(hostJson) });

export const hostDrain = z.strictObject({
  at_once: z
    .int()
    .min(1)
    .max(100_000)
    .default(1)
    .meta({ description: 'Number of instances that move at the same time.' }),
});
