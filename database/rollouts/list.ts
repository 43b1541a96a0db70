import type { RolloutStatus } from '../../contracts/names.ts';
import type { Queryable } from '../instances/view.ts';
import { createWhere, type IdRange } from '../where.ts';
import type { MovedInstance, RolloutJson, RolloutWithWaves } from './rollout-json.ts';

/** Rollouts as people see them. */

/** A filter that is left out matches every rollout. */
export interface RolloutFilter {
  agentIds?: readonly string[] | undefined;
  ids?: IdRange | undefined;
  statuses?: readonly RolloutStatus[] | undefined;
  limit: number;
}

/** A time in the form of all times in answers. */
const utc = (time: string): string => `to_char(${time} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const columns = `r.id, r.agent_id, a.name as agent_name, r.version, r.strategy, r.desired_state, r.promoted, r.status, r.reason, r.wave,
  r.total, r.moved, r.healthy, r.failed, r.reverted, r.requested_by,
  ${utc('r.created_at')} as created_at, ${utc('r.updated_at')} as updated_at, ${utc('r.ended_at')} as ended_at`;

/** Lists the newest first. */
export async function listRollouts(database: Queryable, filter: RolloutFilter): Promise<RolloutJson[]> {
  const where = createWhere();
  where.add(filter.agentIds, where.anyOf('r.agent_id'));
  where.add(filter.ids, where.within('r.id'));
  where.add(filter.statuses, (statuses) => `r.status = any (${where.parameter(statuses)})`);
  const { rows } = await database.query<RolloutJson>(
    `select ${columns} from rollouts r join agents a on a.id = r.agent_id ${where.toString()}
     order by r.created_at desc, r.id limit ${where.parameter(filter.limit)}`,
    where.values,
  );
  return rows;
}

/** @returns undefined if there is no such rollout */
export async function readRollout(database: Queryable, id: string): Promise<RolloutWithWaves | undefined> {
  const { rows } = await database.query<RolloutWithWaves>(
    `select ${columns}, coalesce((select jsonb_agg(w order by w.wave desc) from (${waves}) w), '[]') as waves
     from rollouts r join agents a on a.id = r.agent_id where r.id = $1`,
    [id],
  );
  return rows[0];
}

const waves = `
  select x.wave, x.wave <= r.canary_wave as is_canary, ${utc('min(x.moved_at)')} as moved_at, count(*) as instances,
    count(*) filter (where x.judged and x.outcome = 'moved') as awaited, count(*) filter (where x.outcome = 'healthy') as healthy,
    count(*) filter (where x.outcome = 'failed') as failed, count(*) filter (where x.outcome = 'left') as "left",
    count(*) filter (where x.outcome = 'reverted') as reverted, count(*) filter (where not x.judged and x.outcome = 'moved') as unjudged
  from rollout_instances x where x.rollout_id = r.id group by x.wave, r.canary_wave`;

export interface MovedFilter {
  wave?: number | undefined;
  outcome?: MovedInstance['outcome'] | undefined;
  /** Only instances that failed, also those that went back since. */
  hasFailed?: true;
  /** Last instance of the page before. */
  after?: string | undefined;
  limit: number;
}

/** Lists the instances that a rollout moved, by wave and id. */
export async function listMoved(
  database: Queryable,
  rolloutId: string,
  { wave, outcome, hasFailed, after, limit }: MovedFilter,
): Promise<MovedInstance[]> {
  const where = createWhere();
  where.add(rolloutId, (id) => `x.rollout_id = ${where.parameter(id)}`);
  where.add(wave, (value) => `x.wave = ${where.parameter(value)}`);
  where.add(outcome, (value) => `x.outcome = ${where.parameter(value)}`);
  where.add(hasFailed, () => 'x.message is not null');
  where.add(
    after,
    (id) =>
      `(x.wave, x.instance_id) > (select p.wave, p.instance_id from rollout_instances p
         where p.rollout_id = x.rollout_id and p.instance_id = ${where.parameter(id)})`,
  );
  const { rows } = await database.query<MovedInstance>(
    `select x.instance_id, x.wave, x.from_version, x.outcome, x.judged, x.excused, x.message,
       ${utc('x.moved_at')} as moved_at, ${utc('x.outcome_at')} as outcome_at, i.status, i.agent_version, i.running_version
     from rollout_instances x left join instances i on i.id = x.instance_id
     ${where.toString()} order by x.wave, x.instance_id limit ${where.parameter(limit)}`,
    where.values,
  );
  return rows;
}
