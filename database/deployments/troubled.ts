import type { Pool } from 'pg';
import type { DeploymentFinding } from '../../contracts/names.ts';

/** An instance that failed since a ramp began, or failed in as long a time before the request. */
export interface FailedInstance {
  instanceId: string;
  message: string;
  failedAt: string;
  /** Whether it failed since the ramp; otherwise before the request. */
  isSince: boolean;
}

/**
 * Lists instances that failed. The candidate has nothing to do with what happened before the request.
 *
 * @param since when the ramp began, by PostgreSQL; null: at the last change of the deployment
 */
export async function findFailedInstances(pool: Pool, id: string, since: string | null): Promise<FailedInstance[]> {
  const { rows } = await pool.query<FailedInstance & { failedAt: Date }>(
    `select i.id as "instanceId", i.status_changed_at as "failedAt", i.status_changed_at >= s.since as "isSince",
       'It failed: ' || coalesce(left(i.metadata #>> '{status_reason,message}', 300), 'no reason is known') as message
     from deployments d cross join lateral (select coalesce($2::timestamptz, d.updated_at) as since) s join instances i
       on i.status = 'failed' and (i.status_changed_at >= s.since or
         (i.status_changed_at < d.requested_at and i.status_changed_at >= d.requested_at - (clock_timestamp() - s.since)))
     where d.id = $1 order by i.status_changed_at`,
    [id, since],
  );
  return rows.map((row) => ({ ...row, failedAt: row.failedAt.toISOString() }));
}

/** An instance that does not run what its row wants, although nothing is known that keeps it from running. */
export interface UnsettledInstance {
  instanceId: string;
  generation: string;
  /** Changes when the engine makes progress with the instance, and does not when its user changes the row. */
  statusChangedAt: string;
  changedAt: string;
}

const isUnsettled = `observed_generation < generation or (status = 'pending' and not metadata ? 'status_reason')`;

export async function findUnsettledInstances(pool: Pool): Promise<UnsettledInstance[]> {
  const { rows } = await pool.query<Record<'statusChangedAt' | 'changedAt', Date> & UnsettledInstance>(
    `select id as "instanceId", generation, status_changed_at as "statusChangedAt", updated_at as "changedAt" from instances
     where ${isUnsettled} order by updated_at`,
  );
  return rows.map((row) => ({
    ...row,
    statusChangedAt: row.statusChangedAt.toISOString(),
    changedAt: row.changedAt.toISOString(),
  }));
}

/** @returns those of the instances that failed or do not run what their row wants */
export async function findUnwellInstances(pool: Pool, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await pool.query<{ id: string }>(
    `select id from instances where id = any ($1) and (status = 'failed' or ${isUnsettled})`,
    [ids],
  );
  return new Set(rows.map(({ id }) => id));
}

export async function readInstanceIds(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>('select id from instances');
  return rows.map(({ id }) => id);
}

/** @returns the ids of the instances whose rows changed since a time of PostgreSQL, with some seconds more */
export async function findChangedInstances(pool: Pool, since: string): Promise<Set<string>> {
  const { rows } = await pool.query<{ id: string }>(
    `select id from instances where updated_at >= $1::timestamptz - interval '10 seconds'`,
    [since],
  );
  return new Set(rows.map(({ id }) => id));
}

/** @returns the instances with a finding that are not healed */
export async function findInstancesWith(pool: Pool, id: string, finding: DeploymentFinding): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select instance_id as id from deployment_instances where deployment_id = $1 and finding = $2 and healed_at is null`,
    [id, finding],
  );
  return rows.map((row) => row.id);
}

/** @returns PostgreSQL's time. No time of another machine is compared with it. */
export async function readTime(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  return rows[0]?.now.toISOString() ?? '';
}
