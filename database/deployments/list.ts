import { InvalidDeploymentStrategy, resolveDeploymentStrategy } from '../../contracts/deployment-strategy.ts';
import type { DeploymentFinding, DeploymentStatus } from '../../contracts/names.ts';
import type { Queryable } from '../instances/view.ts';
import { createWhere, type IdRange } from '../where.ts';
import type { DeploymentInstance, DeploymentJson, WorkerBuild } from './deployment-json.ts';

/** Deployments as people see them. */

/** A filter that is left out matches every deployment. */
export interface DeploymentFilter {
  deploymentName?: string | undefined;
  buildId?: string | undefined;
  ids?: IdRange | undefined;
  statuses?: readonly DeploymentStatus[] | undefined;
  limit: number;
}

/** A time in the form of all times in answers. */
const utc = (time: string): string => `to_char(${time} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const columns = `d.id, d.deployment_name, d.build_id, d.previous_build_id, d.strategy, d.desired_state, d.status, d.percentage, d.step,
  d.held, d.reset_instances, d.gate, d.blast_radius, d.reason, d.requested_by, ${utc('d.requested_at')} as requested_at,
  ${utc('d.updated_at')} as updated_at, ${utc('d.promoted_at')} as promoted_at, ${utc('d.ended_at')} as ended_at`;

/** Lists the newest first. */
export async function listDeployments(database: Queryable, filter: DeploymentFilter): Promise<DeploymentJson[]> {
  const where = createWhere();
  where.add(filter.deploymentName, (name) => `d.deployment_name = ${where.parameter(name)}`);
  where.add(filter.buildId, (build) => `d.build_id = ${where.parameter(build)}`);
  where.add(filter.ids, where.within('d.id'));
  where.add(filter.statuses, (statuses) => `d.status = any (${where.parameter(statuses)})`);
  const { rows } = await database.query<Omit<DeploymentJson, 'steps'>>(
    `select ${columns} from deployments d ${where.toString()}
     order by d.requested_at desc, d.id limit ${where.parameter(filter.limit)}`,
    where.values,
  );
  return rows.map((row) => ({ ...row, steps: stepsOf(row.strategy) }));
}

/** @returns undefined if there is no such deployment */
export async function readDeployment(database: Queryable, id: string): Promise<DeploymentJson | undefined> {
  const [found] = await listDeployments(database, { ids: { lowest: id, highest: id }, limit: 1 });
  return found;
}

export interface FindingFilter {
  finding?: DeploymentFinding | undefined;
  /** Only instances that are not well again. */
  isOpen?: boolean | undefined;
  /** Last finding of the page before. */
  after?: Pick<DeploymentInstance, 'instance_id' | 'finding'> | undefined;
  limit: number;
}

/** Lists the instances of which something was found, by id and finding. */
export async function listDeploymentInstances(
  database: Queryable,
  deploymentId: string,
  { finding, isOpen, after, limit }: FindingFilter,
): Promise<DeploymentInstance[]> {
  const where = createWhere();
  where.add(deploymentId, (id) => `x.deployment_id = ${where.parameter(id)}`);
  where.add(finding, (value) => `x.finding = ${where.parameter(value)}`);
  where.add(isOpen, (value) => `(x.healed_at is null) = ${where.parameter(value)}`);
  where.add(
    after,
    (last) => `(x.instance_id, x.finding) > (${where.parameter(last.instance_id)}, ${where.parameter(last.finding)})`,
  );
  const { rows } = await database.query<DeploymentInstance>(
    `select x.instance_id, x.finding, x.message, ${utc('x.found_at')} as found_at, ${utc('x.healed_at')} as healed_at, i.status
     from deployment_instances x left join instances i on i.id = x.instance_id
     ${where.toString()} order by x.instance_id, x.finding limit ${where.parameter(limit)}`,
    where.values,
  );
  return rows;
}

/** Lists the builds that were seen, the newest of each deployment name first. */
export async function listBuilds(database: Queryable): Promise<WorkerBuild[]> {
  const { rows } = await database.query<WorkerBuild>(
    `select b.deployment_name, b.build_id, b.build_id is not distinct from w.current_build_id as is_current,
       case when b.build_id = w.ramping_build_id then w.ramping_percentage end as ramping_percentage,
       b.seen_until > clock_timestamp() as is_running, ${utc('b.first_seen_at')} as first_seen_at
     from worker_builds b join worker_deployments w on w.deployment_name = b.deployment_name
     order by b.deployment_name, b.first_seen_at desc, b.build_id`,
  );
  return rows;
}

/** A row that was inserted by SQL may have any strategy. */
function stepsOf(strategy: unknown): number[] {
  try {
    return resolveDeploymentStrategy(strategy).steps;
  } catch (error) {
    if (error instanceof InvalidDeploymentStrategy) return [];
    throw error;
  }
}
