import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { adoptInstances, renewHostLease, type RegisteredHost } from '../../database/hosts/leases.ts';

export interface HostFields extends Partial<RegisteredHost> {
  build?: string;
}

/** A host as a worker registers it, without a worker that does anything for it. @returns its id */
export async function registerHost(pool: Pool, { build = 'a-build', ...fields }: HostFields = {}): Promise<string> {
  const id = fields.id ?? randomUUID();
  const defaults = { runtime: 'process', labels: {}, capacity: null, canFence: true, leaseSeconds: 600 };
  const worker = { id: randomUUID(), build };
  await renewHostLease(pool, { name: `host-${id.slice(0, 8)}`, ...defaults, ...fields, id }, worker);
  await adoptInstances(pool, id, []);
  return id;
}

/** Inserts an instance of the agent, and places it on the host. */
export async function insertInstanceOn(pool: Pool, hostId: string, agentId: string = randomUUID()): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values ($1, gen_random_uuid()) returning id',
    [agentId],
  );
  const id = rows[0]?.id ?? '';
  await adoptInstances(pool, hostId, [id]);
  return id;
}

/** The lease of the host has run out a while ago. */
export async function loseHost(pool: Pool, id: string, minutesAgo = 5): Promise<void> {
  await pool.query(
    `with lost as (update host_workers set seen_until = clock_timestamp() - make_interval(mins => $2) where host_id = $1)
     update hosts set lease_until = clock_timestamp() - make_interval(mins => $2) where id = $1`,
    [id, minutesAgo],
  );
}
