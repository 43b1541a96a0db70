import { z } from 'zod';
import type { Difference } from './compare.ts';
import { listOf, type ManagementOptions } from './management-api.ts';

/** Limits of a virtual host: https://www.rabbitmq.com/docs/vhosts#limits */
export type Limits = Readonly<Record<string, number>>;

/** @throws Error that says which option to give */
export async function readLimits(options: ManagementOptions): Promise<Limits> {
  const found = await listOf(options, 'vhost-limits', z.object({ value: z.record(z.string(), z.number()) }));
  return Object.assign({}, ...found.map(({ value }) => value)) as Limits;
}

/**
 * One process of each service has 8 together; one more for admin_backend, when it looks at dead letters. Agents that listen
 * come on top.
 */
const neededConnections = 9;

/** A limit that leaves room is listed, but harmless. @param queues that are there or in the catalog */
export function limitDifferences(limits: Limits, queues: number): Difference[] {
  // Below zero, it limits nothing: https://www.rabbitmq.com/docs/vhosts#limits
  return Object.entries(limits)
    .filter(([, value]) => value >= 0)
    .map(([name, value]) => {
      const needed = name === 'max-queues' ? queues + 1 : name === 'max-connections' ? neededConnections : 0;
      return {
        kind: value < needed ? ('different' as const) : ('extra' as const),
        object: { type: 'limit' as const, name },
        catalog: null,
        actual: value,
        harmless: value >= needed,
        creatable: false,
      };
    });
}
