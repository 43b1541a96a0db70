import { z } from 'zod';
import type { Queryable } from '../instances/view.ts';

const hostOfInstance = z
  .object({
    id: z.string(),
    name: z.string(),
    lease_holds: z.boolean(),
    lease_until: z.date(),
    replace_after_seconds: z.number().nullable(),
  })
  .transform(({ id, name, ...host }) => ({
    id,
    name,
    leaseHolds: host.lease_holds,
    leaseUntil: host.lease_until,
    /** Null if the instance waits for its host for as long as that is lost. */
    replaceAfterSeconds: host.replace_after_seconds,
  }));
export type HostOfInstance = z.infer<typeof hostOfInstance>;

/** @returns undefined if the instance, which may be deleted, is placed on no host */
export async function readHostOfInstance(database: Queryable, instanceId: string): Promise<HostOfInstance | undefined> {
  const { rows } = await database.query(
    `select h.id, h.name, h.lease_until > clock_timestamp() as lease_holds, h.lease_until, p.replace_after_seconds
     from placements p join hosts h on h.id = p.host_id where p.instance_id = $1`,
    [instanceId],
  );
  return rows[0] === undefined ? undefined : hostOfInstance.parse(rows[0]);
}
