import type { Pool } from 'pg';
import { z } from 'zod';
import {
  InvalidStrategy,
  resolveStrategy,
  type Amount,
  type ResolvedStrategy,
} from '../../contracts/rollout-strategy.ts';
import { rolloutDesiredStates, rolloutReasonCodes, rolloutStatuses } from '../../contracts/names.ts';
import { counter } from '../instances/view.ts';

const activeRow = z.object({
  id: z.string(),
  version: z.string(),
  strategy: z.unknown(),
  runtime: z.unknown(),
  agent_retired: z.boolean(),
  version_withdrawn: z.boolean(),
});

/** A rollout that has begun and not ended, with its strategy, or why that cannot be followed. */
export interface ActiveRollout {
  id: string;
  version: string;
  agentRetired: boolean;
  versionWithdrawn: boolean;
  strategy: ResolvedStrategy;
  problem?: string;
}

/**
 * @param readyTimeoutOf reads `ready_timeout_seconds` of a runtime
 * @returns undefined if the agent has no active rollout
 */
export async function findActiveRollout(
  pool: Pool,
  agentId: string,
  readyTimeoutOf: (runtime: unknown) => number,
): Promise<ActiveRollout | undefined> {
  const { rows } = await pool.query(
    `select r.id, r.version, r.strategy, v.runtime, a.retired_at is not null as agent_retired,
       v.withdrawn_at is not null as version_withdrawn
     from rollouts r join agents a on a.id = r.agent_id
     join agent_versions v on v.agent_id = r.agent_id and v.version = r.version
     where r.agent_id = $1 and r.status in ('requested', 'progressing', 'paused', 'rolling_back')`,
    [agentId],
  );
  if (rows[0] === undefined) return undefined;
  const { id, version, strategy, runtime, agent_retired, version_withdrawn } = activeRow.parse(rows[0]);
  const found = { id, version, agentRetired: agent_retired, versionWithdrawn: version_withdrawn };
  const readyTimeoutSeconds = readyTimeoutOf(runtime);
  try {
    return { ...found, strategy: resolveStrategy(strategy, readyTimeoutSeconds) };
  } catch (error) {
    if (!(error instanceof InvalidStrategy)) throw error;
    return { ...found, strategy: resolveStrategy({}, readyTimeoutSeconds), problem: error.message };
  }
}

const numbers = z.object({
  status: z.enum(rolloutStatuses),
  desiredState: z.enum(rolloutDesiredStates),
  promoted: z.boolean(),
  sequence: counter,
  reason: z.object({ code: z.enum(rolloutReasonCodes), message: z.string() }).nullable(),
  wave: z.int(),
  isPastCanary: z.boolean(),
  total: z.int(),
  moved: z.int(),
  healthy: z.int(),
  failed: z.int(),
  forgiven: z.int(),
  reverted: z.int(),
  awaited: counter,
  excused: counter,
  out: counter,
  judged: counter,
  judgedTargets: counter,
  otherTargets: counter,
  fitCanary: counter,
  toRevert: counter,
  notBack: counter,
  secondsSinceProgress: z.coerce.number(),
  secondsSinceWave: z.coerce.number(),
});

/**
 * What the rows say of a rollout, by which its workflow decides (workflows/rollouts/facts.ts).
 *
 * @returns undefined if the rollout is gone
 */
export async function readRolloutFacts(pool: Pool, rollout: ActiveRollout) {
  const { id, version, agentRetired, versionWithdrawn, strategy, problem } = rollout;
  const { minHealthySeconds, healthyDeadlineSeconds, canary } = strategy;
  const { rows } = await pool.query(
    `select r.status, r.desired_state as "desiredState", r.promoted, r.sequence, r.reason, r.wave, r.wave > r.canary_wave as "isPastCanary",
       r.total, r.moved, r.healthy, r.failed, r.forgiven, r.reverted, x.awaited, x.excused, x.judged,
       (select count(*) from instances_out(r.id, $2)) as out,
       t.judged as "judgedTargets", t.others as "otherTargets",
       case when r.wave > r.canary_wave and r.healthy + r.forgiven > 0 then 0
         else (select count(*) from canary_targets(r.id, $4, $5)) end as "fitCanary",
       case when r.status = 'rolling_back' then (select count(*) from instances_to_revert(r.id)) else 0 end as "toRevert",
       case when r.status = 'rolling_back' then (select count(*) from instances_not_back(r.id, $3)) else 0 end as "notBack",
       extract(epoch from clock_timestamp() - greatest(r.resumed_at, x.progress_at)) as "secondsSinceProgress",
       extract(epoch from clock_timestamp() - coalesce(x.wave_over_at, r.created_at)) as "secondsSinceWave"
     from rollouts r
     cross join lateral (
       select count(*) filter (where i.judged and i.outcome = 'moved' and not i.excused) as awaited,
         count(*) filter (where i.judged and i.outcome = 'moved' and i.excused) as excused,
         count(*) filter (where i.judged and i.outcome in ('moved', 'healthy', 'failed')) as judged,
         max(greatest(i.moved_at, case when i.outcome = 'healthy' then i.outcome_at end)) as progress_at,
         max(i.outcome_at) filter (where i.wave = r.wave) as wave_over_at
       from rollout_instances i where i.rollout_id = r.id) x
     cross join lateral (
       select count(*) filter (where f.judged) as judged, count(*) filter (where not f.judged) as others
       from rollout_targets(r.id) f) t
     where r.id = $1`,
    [id, minHealthySeconds, healthyDeadlineSeconds, canary.matching, canary.onePerUser],
  );
  if (rows[0] === undefined) return undefined;
  const { reason, judgedTargets, fitCanary, otherTargets, ...read } = numbers.parse(rows[0]);
  return {
    ...read,
    rolloutId: id,
    version,
    agentRetired,
    versionWithdrawn,
    ...(reason && { reason }),
    ...(problem !== undefined && { problem }),
    targets: { judged: judgedTargets, fitCanary, others: otherTargets },
    limits: limitsOf(strategy, read.total),
    troubled: read.failed + read.out > 0 ? await findTroubled(pool, id, minHealthySeconds) : [],
  };
}

/** Turns percentages into numbers of instances. */
function limitsOf(strategy: ResolvedStrategy, total: number) {
  const { canary, maxParallel, maxFailures, progressDeadlineSeconds, pauseBetweenWavesSeconds } = strategy;
  const part = (amount: Amount, round: (exact: number) => number): number =>
    'count' in amount ? amount.count : round((amount.percent * total) / 100);
  return {
    canary: Math.max(1, part(canary.amount, Math.ceil)),
    maxParallel: Math.max(1, part(maxParallel, Math.floor)),
    maxFailures: part(maxFailures, Math.floor),
    progressDeadlineSeconds,
    pauseBetweenWavesSeconds,
    autoPromote: strategy.autoPromote,
    autoRollback: strategy.autoRollback,
  };
}

/** The first instances that failed, and those that do not run. */
async function findTroubled(
  pool: Pool,
  rolloutId: string,
  minHealthySeconds: number,
): Promise<{ instanceId: string; message: string }[]> {
  const { rows } = await pool.query<{ id: string; message: string }>(
    `select x.instance_id as id, left(coalesce(x.message, i.metadata #>> '{status_reason,message}', 'It is ' || i.status || '.'), 300)
       as message
     from rollout_instances x left join instances i on i.id = x.instance_id
     where x.rollout_id = $1
       and (x.outcome = 'failed' or x.instance_id in (select o.id from instances_out($1, $2) o (id)))
     order by x.outcome <> 'failed', x.outcome_at, x.instance_id limit 3`,
    [rolloutId, minHealthySeconds],
  );
  return rows.map(({ id, message }) => ({ instanceId: id, message: message ?? 'It is gone.' }));
}
