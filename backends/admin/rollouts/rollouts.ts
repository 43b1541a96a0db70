import type { Pool } from 'pg';
import { listMoved, readRollout, type MovedFilter } from '../../../database/rollouts/list.ts';
import {
  changeRollout,
  requestRollout,
  type NewRollout,
  type RolloutAction,
} from '../../../database/rollouts/request.ts';
import type { MovedInstance, RolloutWithWaves } from '../../../database/rollouts/rollout-json.ts';
import { inTransaction } from '../../../database/transaction.ts';
import { readyTimeoutOf } from '../../../runtimes/registry.ts';
import { notFound } from '../../http/problem.ts';
import { refusalOf } from '../../http/refusal.ts';
import { refusedRollout } from './refused-rollout.ts';

/** @throws ProblemError */
export async function startRollout(
  pool: Pool,
  rollout: NewRollout,
  traceparent: string | undefined,
): Promise<RolloutWithWaves> {
  const id = await inTransaction(pool, traceparent, (client) => requestRollout(client, rollout, readyTimeoutOf)).catch(
    refuse,
  );
  return readOne(pool, id);
}

/** @throws ProblemError */
export async function actOnRollout(
  pool: Pool,
  id: string,
  action: RolloutAction,
  traceparent: string | undefined,
): Promise<RolloutWithWaves> {
  await inTransaction(pool, traceparent, (client) => changeRollout(client, id, action)).catch(refuse);
  return readOne(pool, id);
}

/** @throws ProblemError if there is no such rollout */
export async function readOne(pool: Pool, id: string): Promise<RolloutWithWaves> {
  const rollout = await readRollout(pool, id);
  if (!rollout) throw notFound(`rollout ${id}`);
  return rollout;
}

/** @throws ProblemError if there is no such rollout */
export async function listMovedPage(
  pool: Pool,
  id: string,
  filter: MovedFilter,
): Promise<{ instances: MovedInstance[]; next_after: string | null }> {
  await readOne(pool, id);
  const found = await listMoved(pool, id, { ...filter, limit: filter.limit + 1 });
  const instances = found.slice(0, filter.limit);
  return { instances, next_after: found.length > filter.limit ? (instances.at(-1)?.instance_id ?? null) : null };
}

function refuse(error: unknown): never {
  throw refusedRollout(error) ?? refusalOf(error) ?? error;
}
