import { z } from 'zod';
import type { Queryable } from '../instances/view.ts';

/** How a worker registers the host that it serves, keeps its lease and leaves it. The migrations hold the functions. */

export interface RegisteredHost {
  id: string;
  name: string;
  runtime: string;
  labels: Record<string, string>;
  /** The most instances placed on the host at once; null for no limit. */
  capacity: number | null;
  /** Whether the host ends agents by itself that may have been replaced elsewhere. */
  canFence: boolean;
  leaseSeconds: number;
}

export interface ServingWorker {
  id: string;
  build: string;
}

const renewal = z.enum(['adopt', 'renewed', 'forgotten']);
export type Renewal = z.infer<typeof renewal>;

/**
 * Registers the host or renews its lease.
 *
 * @param worker undefined once the worker has left the host
 * @returns `adopt` when the worker first has to record what the host keeps; `forgotten` when nothing was renewed
 */
export async function renewHostLease(
  database: Queryable,
  host: RegisteredHost,
  worker: ServingWorker | undefined,
): Promise<Renewal> {
  const { rows } = await database.query<{ renewal: unknown }>(
    'select renew_host_lease($1, $2, $3, $4, $5, $6, $7, $8, $9) as renewal',
    [
      host.id,
      host.name,
      host.runtime,
      host.labels,
      host.capacity,
      host.canFence,
      host.leaseSeconds,
      worker?.id ?? null,
      worker?.build ?? null,
    ],
  );
  return renewal.parse(rows[0]?.renewal);
}

/** Few enough that the rows of their instances are not locked for long. */
const batchSize = 100;

/**
 * Records that the host holds these instances, as far as they are placed nowhere, and lets instances be placed on it.
 *
 * @returns the number of new placements
 */
export async function adoptInstances(
  database: Queryable,
  hostId: string,
  instanceIds: readonly string[],
): Promise<number> {
  let adopted = 0;
  for (let start = 0; start < instanceIds.length; start += batchSize) {
    const { rows } = await database.query<{ adopted: number }>('select adopt_instances($1, $2) as adopted', [
      hostId,
      instanceIds.slice(start, start + batchSize),
    ]);
    adopted += rows[0]?.adopted ?? 0;
  }
  await database.query('select open_host($1)', [hostId]);
  return adopted;
}

/** Records that the host holds the instance, if it is placed nowhere. */
export async function adoptInstance(database: Queryable, hostId: string, instanceId: string): Promise<void> {
  await database.query('select adopt_instances($1, $2)', [hostId, [instanceId]]);
}

/** The number of instances that were placed on these hosts a moment ago, run nowhere yet, and have no other worker to start them. */
export async function countStarting(database: Queryable, hostIds: readonly string[]): Promise<number> {
  const { rows } = await database.query<{ starting: number }>(
    `select count(*)::int as starting from placements p join instances i on i.id = p.instance_id
     where p.host_id = any ($1::uuid[]) and p.placed_at > clock_timestamp() - interval '10 seconds'
       and i.desired_state = 'running' and i.status = 'pending' and not i.metadata ? 'status_reason'
       and not exists (
         select from host_workers w where w.host_id = p.host_id and w.seen_until > clock_timestamp())`,
    [hostIds],
  );
  return rows[0]?.starting ?? 0;
}

/** Once this resolves, no instance is placed on the host on account of this worker. */
export async function leaveHost(database: Queryable, hostId: string, workerId: string): Promise<void> {
  await database.query('select leave_host($1, $2)', [hostId, workerId]);
}
