import type { InstanceStatus } from '../../contracts/names.ts';
import type { Queryable } from './view.ts';

/**
 * Finds the instances of an agent that are to run and have one of these statuses. If the generation of a row was not observed yet, its
 * status is about an earlier generation, so the row counts as well.
 */
export async function findInstancesOf(
  database: Queryable,
  agentId: string,
  statuses: readonly InstanceStatus[],
): Promise<{ id: string; generation: number }[]> {
  const { rows } = await database.query<{ id: string; generation: string }>(
    `select id, generation from instances where agent_id = $1 and desired_state = 'running'
       and (status = any ($2) or observed_generation < generation) order by id`,
    [agentId, statuses],
  );
  return rows.map(({ id, generation }) => ({ id, generation: Number(generation) }));
}

/** Whether the agent exists and its instances need not be drained. */
export async function isInUse(database: Queryable, agentId: string): Promise<boolean> {
  const query = 'select from agents where id = $1 and (retired_at is null or not drain)';
  const { rows } = await database.query(query, [agentId]);
  return rows.length > 0;
}
