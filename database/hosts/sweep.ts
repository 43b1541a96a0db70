import { z } from 'zod';
import { instanceStatuses } from '../../contracts/names.ts';
import { counter, type Queryable } from '../instances/view.ts';

/** Ids of the hosts that a worker serves. */
export async function listLiveHosts(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    `select h.id from hosts h where h.lease_until > clock_timestamp() and h.adopted_at is not null
       and exists (select from host_workers w where w.host_id = h.id and w.seen_until > clock_timestamp()) order by h.id`,
  );
  return rows.map(({ id }) => id);
}

/** Instances that are placed on a host and have no row. */
export async function listPlacementsWithoutRow(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    `select p.instance_id as id from placements p
     where not exists (select from instances i where i.id = p.instance_id)`,
  );
  return rows.map(({ id }) => id);
}

const placedInstance = z.object({
  id: z.string(),
  /** Null if the row is gone. */
  status: z.enum(instanceStatuses).nullable(),
  generation: counter.nullable(),
  /** The row reports that something could not be removed. */
  isStuck: z.boolean(),
  /** The row says why it has its status. */
  hasReason: z.boolean(),
  /** The row did not change within the grace period, and its generation is observed. */
  settled: z.boolean(),
});
/** An instance that is placed on a host, as the sweep of the host needs it. */
export type PlacedInstance = z.infer<typeof placedInstance>;

export async function listPlaced(database: Queryable, hostId: string, graceSeconds: number): Promise<PlacedInstance[]> {
  const { rows } = await database.query(
    `select p.instance_id as id, i.status, i.generation,
       coalesce(i.metadata #>> '{status_reason,code}' = 'cleanup_failed', false) as "isStuck",
       coalesce(i.metadata ? 'status_reason', false) as "hasReason",
       coalesce(i.updated_at < clock_timestamp() - make_interval(secs => $2) and i.observed_generation = i.generation, false)
         as settled
     from placements p left join instances i on i.id = p.instance_id where p.host_id = $1`,
    [hostId, graceSeconds],
  );
  return z.array(placedInstance).parse(rows);
}
