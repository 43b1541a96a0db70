import type { Pool } from 'pg';
import type { RolloutReason, RolloutStatus } from '../../contracts/names.ts';
import type { ResolvedStrategy } from '../../contracts/rollout-strategy.ts';
import type { ActiveRollout } from './facts.ts';

/** The functions by which alone agents_worker writes to rollouts. A repeated call does nothing twice. */

export interface Wave {
  wave: number;
  limit: number;
  isCanary: boolean;
  maxParallel: number;
}

/** @returns the number of instances of the wave; 0 if somebody stopped the rollout, or no instance can be moved now */
export async function moveWave(
  pool: Pool,
  { id, strategy }: Pick<ActiveRollout, 'id' | 'strategy'>,
  { wave, limit, isCanary, maxParallel }: Wave,
): Promise<number> {
  const { matching, onePerUser } = strategy.canary;
  const canary = isCanary ? { matching, one_per_user: onePerUser } : null;
  const { rows } = await pool.query<{ moved: number }>('select move_wave($1, $2, $3, $4, $5, $6) as moved', [
    id,
    wave,
    limit,
    maxParallel,
    strategy.minHealthySeconds,
    canary,
  ]);
  return rows[0]?.moved ?? 0;
}

/** Writes down what became of the moved instances by now. */
export async function judgeMoved(pool: Pool, id: string, strategy: ResolvedStrategy): Promise<void> {
  const { minHealthySeconds, healthyDeadlineSeconds } = strategy;
  await pool.query('select judge_wave($1, $2, $3)', [id, minHealthySeconds, healthyDeadlineSeconds]);
}

/**
 * @param holds pauses the rollout until a person resumes it
 * @param sequence of the row on which this was decided. Once the row has another one, nothing is written
 */
export async function recordRollout(
  pool: Pool,
  id: string,
  {
    status,
    reason,
    holds = false,
    sequence,
  }: { status: RolloutStatus; reason?: RolloutReason; holds?: boolean; sequence: number },
): Promise<void> {
  await pool.query('select record_rollout($1, $2, $3, $4, $5)', [id, status, reason ?? null, holds, sequence]);
}

export async function beginRollback(
  pool: Pool,
  id: string,
  { reason, withdraws }: { reason: RolloutReason; withdraws: boolean },
): Promise<void> {
  await pool.query('select begin_rollback($1, $2, $3)', [id, reason, withdraws]);
}

/** Gives instances their versions back, as many as may be out at the same time. */
export async function revertWave(
  pool: Pool,
  id: string,
  { maxParallel, healthyDeadlineSeconds }: { maxParallel: number; healthyDeadlineSeconds: number },
): Promise<void> {
  await pool.query('select revert_wave($1, $2, $3)', [id, maxParallel, healthyDeadlineSeconds]);
}

export async function completeRollout(pool: Pool, id: string): Promise<void> {
  await pool.query('select complete_rollout($1)', [id]);
}
