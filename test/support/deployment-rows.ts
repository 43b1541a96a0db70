import { randomUUID } from 'node:crypto';
import { announceBuild } from '../../database/deployments/builds.ts';
import { recordRouting } from '../../database/deployments/steps.ts';
import { openTestPool } from './test-pool.ts';

/** The rows of one deployment name, with a current build and a candidate that run, and what a deployer would do to them. */
export async function createDeploymentRows(databaseUrl: string, deploymentName = `test/agents-worker-${randomUUID()}`) {
  const pool = openTestPool({ connectionString: databaseUrl, max: 4 });
  const builds = { previous: '1.4.0-aaaaaaaaaaaa', candidate: '1.5.0-bbbbbbbbbbbb', next: '1.6.0+c' };
  const one = async <Row>(text: string, values: unknown[]): Promise<Row> => {
    const { rows } = await pool.query(text, values);
    return rows[0] as Row;
  };

  const rows = {
    pool,
    deploymentName,
    builds,
    close: () => pool.end(),

    /** @param seconds 0: no worker of the build runs any more */
    announce: async (buildId: string, seconds = 3_600) => {
      await announceBuild(pool, { deploymentName, buildId }, seconds);
      if (seconds === 0) {
        await pool.query(
          'update worker_builds set seen_until = clock_timestamp() where deployment_name = $1 and build_id = $2',
          [deploymentName, buildId],
        );
      }
    },
    route: (currentBuildId: string | null, { rampingBuildId = null as string | null, rampingPercentage = 0 } = {}) =>
      recordRouting(pool, { deploymentName, currentBuildId, rampingBuildId, rampingPercentage }),
    request: async (buildId: string = builds.candidate, strategy: object = {}): Promise<string> => {
      const { id } = await one<{ id: string }>(
        'insert into deployments (deployment_name, build_id, strategy) values ($1, $2, $3) returning id',
        [deploymentName, buildId, strategy],
      );
      return id;
    },
    want: (id: string, desiredState: string) =>
      pool.query('update deployments set desired_state = $2 where id = $1', [id, desiredState]),
    record: (id: string, status: string, changes: object = {}) =>
      one<{ status: string; desired_state: string }>('select * from record_deployment($1, $2, $3)', [
        id,
        status,
        changes,
      ]),
    find: (id: string, finding: string, found: object[], replaces = false) =>
      pool.query('select record_deployment_instances($1, $2, $3, $4)', [id, finding, JSON.stringify(found), replaces]),
    deployment: (id: string) =>
      one<{ status: string; [column: string]: unknown }>(
        `select status, desired_state, percentage, step, held, reset_instances, previous_build_id, reason ->> 'code' as code,
           promoted_at is not null as promoted, ended_at is not null as ended from deployments where id = $1`,
        [id],
      ),
    events: async (id: string): Promise<number> =>
      Number((await one<{ count: string }>('select count(*) from event_log where entity_id = $1', [id])).count),
  };
  await rows.announce(builds.previous);
  await rows.announce(builds.candidate);
  await rows.route(builds.previous);
  return rows;
}

export type DeploymentRows = Awaited<ReturnType<typeof createDeploymentRows>>;
