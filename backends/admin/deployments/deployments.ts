import type { Pool } from 'pg';
import type { DeploymentInstance, DeploymentJson } from '../../../database/deployments/deployment-json.ts';
import { listDeploymentInstances, readDeployment, type FindingFilter } from '../../../database/deployments/list.ts';
import {
  changeDeployment,
  requestDeployment,
  type DeploymentAction,
  type NewDeployment,
} from '../../../database/deployments/request.ts';
import { inTransaction } from '../../../database/transaction.ts';
import { notFound } from '../../http/problem.ts';
import { refusalOf } from '../../http/refusal.ts';
import { refusedDeployment } from './refused-deployment.ts';

/** @throws ProblemError */
export async function startDeployment(
  pool: Pool,
  deployment: NewDeployment,
  traceparent: string | undefined,
): Promise<{ answer: DeploymentJson; isRepeated: boolean }> {
  const { id, isRepeated } = await inTransaction(pool, traceparent, (client) =>
    requestDeployment(client, deployment),
  ).catch(refuse);
  return { answer: await readOne(pool, id), isRepeated };
}

/** @throws ProblemError */
export async function actOnDeployment(
  pool: Pool,
  id: string,
  action: DeploymentAction,
  traceparent: string | undefined,
): Promise<DeploymentJson> {
  await inTransaction(pool, traceparent, (client) => changeDeployment(client, id, action)).catch(refuse);
  return readOne(pool, id);
}

/** @throws ProblemError if there is no such deployment */
export async function readOne(pool: Pool, id: string): Promise<DeploymentJson> {
  const deployment = await readDeployment(pool, id);
  if (!deployment) throw notFound(`deployment ${id}`);
  return deployment;
}

/** @throws ProblemError if there is no such deployment */
export async function listFindings(
  pool: Pool,
  id: string,
  filter: FindingFilter,
): Promise<{ instances: DeploymentInstance[]; next_after: string | null }> {
  await readOne(pool, id);
  const found = await listDeploymentInstances(pool, id, { ...filter, limit: filter.limit + 1 });
  const instances = found.slice(0, filter.limit);
  const last = found.length > filter.limit ? instances.at(-1) : undefined;
  return { instances, next_after: last ? `${last.instance_id}:${last.finding}` : null };
}

function refuse(error: unknown): never {
  throw refusedDeployment(error) ?? refusalOf(error) ?? error;
}
