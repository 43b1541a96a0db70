import type pg from 'pg';
import type { DeploymentDesiredState, DeploymentReasonCode, DeploymentStatus } from '../../contracts/names.ts';
import type { DeploymentRow } from '../../contracts/rows.ts';
import { until } from '../../stack/until.ts';
import { one } from './rig.ts';

/** The columns of a deployment that PostgreSQL's client returns as the contract says. Times and the sequence are not among them. */
type ReadDeployment = Omit<DeploymentRow, 'sequence' | 'requested_at' | 'updated_at' | 'promoted_at' | 'ended_at'>;

export type RequestedDeployments = ReturnType<typeof createRequestedDeployments>;

export interface RequestedDeploymentsOptions {
  pool: pg.Pool;
  deploymentName: string;
  /** What a request does not say otherwise. */
  strategy: object;
  /** How long a deployment may take to get a status. */
  limitMs: number;
}

/** Deployments of one name, which a deployer carries out. */
export function createRequestedDeployments({ pool, deploymentName, strategy, limitMs }: RequestedDeploymentsOptions) {
  const deployments = {
    /** @returns the id of the deployment */
    request: async (buildId: string, changes: object = {}): Promise<string> => {
      const { rows } = await pool.query<{ id: string }>(
        'insert into deployments (deployment_name, build_id, strategy) values ($1, $2, $3) returning id',
        [deploymentName, buildId, { ...strategy, ...changes }],
      );
      return one(rows).id;
    },
    want: (id: string, desiredState: DeploymentDesiredState) =>
      pool.query('update deployments set desired_state = $2 where id = $1', [id, desiredState]),
    read: async (id: string): Promise<ReadDeployment> => {
      const { rows } = await pool.query<ReadDeployment>('select * from deployments where id = $1', [id]);
      return one(rows);
    },
    /**
     * Waits until the deployment has the status, or one of the statuses, and the code as its reason if one is given.
     *
     * @throws Error with the row if that takes longer than the limit
     */
    until: async (
      id: string,
      status: DeploymentStatus | readonly DeploymentStatus[],
      code?: DeploymentReasonCode,
    ): Promise<ReadDeployment> => {
      const statuses = [status].flat();
      let row = await deployments.read(id);
      const isReached = async () => {
        row = await deployments.read(id);
        return statuses.includes(row.status) && (code === undefined || row.reason?.code === code);
      };
      if (await until(isReached, limitMs)) return row;
      const wanted = `${statuses.join(' or ')}${code === undefined ? '' : ` because of ${code}`}`;
      throw new Error(`The deployment is ${row.status}, and not ${wanted}: ${JSON.stringify(row)}`);
    },
  };
  return deployments;
}
