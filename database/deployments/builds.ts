import type { Pool } from 'pg';
import type { BuildOfDeployment } from '../../contracts/names.ts';

/**
 * Says that a worker of the build runs. A worker repeats it as long as it runs.
 *
 * @param seconds the time within which the worker says it again; afterwards it counts as gone
 */
export async function announceBuild(
  pool: Pool,
  { deploymentName, buildId }: BuildOfDeployment,
  seconds: number,
): Promise<void> {
  await pool.query('select announce_build($1, $2, $3)', [deploymentName, buildId, seconds]);
}
