import type { Pool } from 'pg';

/** @returns the agents with a rollout that has begun, or may begin, and has not ended; those that changed just now are left out */
export async function findAgentsWithRollout(pool: Pool, graceSeconds: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select distinct agent_id as id from rollouts
     where ended_at is null and updated_at < clock_timestamp() - make_interval(secs => $1) order by agent_id`,
    [graceSeconds],
  );
  return rows.map(({ id }) => id);
}
