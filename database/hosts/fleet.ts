import { z } from 'zod';
import { joinVersionToRun } from '../instances/version-to-run.ts';
import type { Queryable } from '../instances/view.ts';

/** What the worker that watches the hosts finds: instances whose workflows have to be told something about their hosts. */

const finding = z.object({
  instanceId: z.string(),
  hostId: z.string(),
  hostName: z.string(),
  /** Agent and owner of the instance; null if its row is gone. */
  agentId: z.string().nullable(),
  userId: z.string().nullable(),
});
export type Finding = z.infer<typeof finding>;

/** How long the workflow has before it is told again. */
const patienceSeconds = 5;
/** The most instances of one answer. */
const batchSize = 200;

const holds = 'h.forgotten_at is null and h.lease_until > clock_timestamp()';
/** The function is asked about lost hosts alone, because its answer costs more than the comparisons. */
const isReplaceable = `((h.forgotten_at is not null or h.lease_until < clock_timestamp()) and is_replaceable(p, h))`;
const reason = `i.metadata #>> '{status_reason,code}'`;
const saysLost = `coalesce(i.status = 'pending' and ${reason} = 'host_lost', false)`;

/** Instances on a lost host whose rows do not say so yet. */
export const findOnLostHosts = (database: Queryable): Promise<Finding[]> =>
  find(
    database,
    `h.lease_until < clock_timestamp() and not ${isReplaceable} and i.status in ('pending', 'running') and not ${saysLost}`,
  );

/** Instances whose host is back and whose rows still say that it is lost, or that waited without a row to be removed there. */
export async function findOnReturnedHosts(database: Queryable): Promise<Finding[]> {
  await database.query(
    `update placements p set lost_at = null from hosts h, instances i
     where h.id = p.host_id and i.id = p.instance_id and p.lost_at is not null and ${holds} and not ${saysLost}`,
  );
  return find(database, `${holds} and (${saysLost} or (i.id is null and p.lost_at is not null))`);
}

/**
 * Ids of instances whose rows say that their host is lost although they are placed nowhere: the host ended what it was asked to end
 * before, and the workflow had given up waiting for it. The workflow of each has `patienceSeconds` to act.
 */
export async function findFreed(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    `select i.id from instances i
     where i.status = 'pending' and ${reason} = 'host_lost' and i.updated_at < clock_timestamp() - make_interval(secs => $1)
       and not exists (select from placements p where p.instance_id = i.id)
     limit $2`,
    [patienceSeconds, batchSize],
  );
  return rows.map(({ id }) => id);
}

/** Instances whose lost host has ended their agents by itself or was forgotten, unless they already know that no other host fits. */
export const findReplaceable = (database: Queryable): Promise<Finding[]> =>
  find(database, `${isReplaceable} and not coalesce(i.status = 'pending' and ${reason} = 'no_host', false)`);

/** Instances that were asked to leave a draining host and are still placed there. */
export const findMoving = (database: Queryable): Promise<Finding[]> =>
  find(
    database,
    `${holds} and exists (select from moves m where m.instance_id = p.instance_id and m.from_host_id = p.host_id)`,
  );

/**
 * Asks one more instance to leave a draining host, if fewer than `drain_at_once` move and another host has room for it. The next call of
 * `findMoving` returns it.
 *
 * @returns whether there is one
 */
export async function beginMove(database: Queryable): Promise<boolean> {
  const { rowCount } = await database.query(
    `insert into moves (instance_id, from_host_id)
     select p.instance_id, p.host_id
     from placements p join hosts h on h.id = p.host_id join instances i on i.id = p.instance_id join agents a on a.id = i.agent_id
     ${joinVersionToRun('agent_versions')}
     where h.draining_since is not null and ${holds} and i.desired_state = 'running'
       and not exists (select from moves m where m.instance_id = p.instance_id)
       and (select count(*) from moves m where m.from_host_id = h.id) < h.drain_at_once
       and (
         select bool_or(o.capacity is null) or sum(o.capacity - o.placed) > (
           select count(*) from moves m
           where not exists (select from placements q where q.instance_id = m.instance_id and q.host_id <> m.from_host_id))
         from open_hosts o
         where o.runtime = v.runtime ->> 'kind' and o.labels @> coalesce(v.runtime -> 'host_labels', '{}'))
     order by p.placed_at limit 1
     on conflict (instance_id) do nothing`,
  );
  return rowCount === 1;
}

/** Ends the moves of instances that have left and wait for nothing any more, and those of hosts that do not drain any more. */
export async function endMoves(database: Queryable): Promise<void> {
  await database.query(
    `delete from moves m
     where not exists (select from hosts h where h.id = m.from_host_id and h.draining_since is not null)
       or not exists (select from placements p where p.instance_id = m.instance_id and p.host_id = m.from_host_id)
         and not exists (
           select from instances i where i.id = m.instance_id and i.desired_state = 'running' and i.status = 'pending'
             and coalesce(${reason}, 'moving') in ('moving', 'no_host'))`,
  );
}

/** Removes forgotten hosts on which nothing is placed any more. @returns their names and ids */
export async function removeForgottenHosts(database: Queryable): Promise<{ id: string; name: string }[]> {
  const { rows } = await database.query<{ id: string; name: string }>('select id, name from remove_forgotten_hosts()');
  return rows;
}

/**
 * Makes the worker the one that watches the hosts, or keeps it so. Zero seconds end that.
 *
 * @returns whether it is
 */
export async function claimFleetWatch(database: Queryable, workerId: string, seconds: number): Promise<boolean> {
  const { rows } = await database.query<{ claimed: boolean }>('select claim_fleet_watch($1, $2) as claimed', [
    workerId,
    seconds,
  ]);
  return rows[0]?.claimed === true;
}

/** Finds instances under a condition on placement `p`, host `h` and row `i`, and leaves out those that were told a moment ago. */
async function find(database: Queryable, condition: string): Promise<Finding[]> {
  const { rows } = await database.query(
    `with due as (
       select p.instance_id, h.name, i.agent_id, i.user_id, h.lease_until < clock_timestamp() as is_lost
       from placements p join hosts h on h.id = p.host_id left join instances i on i.id = p.instance_id
       where (p.told_at is null or p.told_at < clock_timestamp() - make_interval(secs => $1)) and ${condition}
       order by p.told_at nulls first limit $2 for update of p skip locked)
     update placements p set told_at = clock_timestamp(),
       lost_at = case when due.is_lost then coalesce(p.lost_at, clock_timestamp()) else p.lost_at end
     from due where p.instance_id = due.instance_id
     returning p.instance_id as "instanceId", p.host_id as "hostId", due.name as "hostName", due.agent_id as "agentId",
       due.user_id as "userId"`,
    [patienceSeconds, batchSize],
  );
  return z.array(finding).parse(rows);
}
