import type { Pool } from 'pg';

/** An instance that a deployment keeps on its previous build. */
export interface HeldInstance {
  instanceId: string;
  deploymentId: string;
}

/**
 * Lists the instances that a deployment holds, and those that earlier deployments of its name hold still. A deployment that was not promoted
 * holds nothing after its end.
 */
export async function findHeldInstances(pool: Pool, id: string): Promise<HeldInstance[]> {
  const { rows } = await pool.query<HeldInstance>(
    `select x.instance_id as "instanceId", x.deployment_id as "deploymentId"
     from deployments d
     join deployments holder on holder.deployment_name = d.deployment_name
       and (holder.id = d.id or holder.status in ('drained', 'superseded'))
     join deployment_instances x on x.deployment_id = holder.id and x.finding = 'held' and x.healed_at is null
     where d.id = $1`,
    [id],
  );
  return rows;
}
