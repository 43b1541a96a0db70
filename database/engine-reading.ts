import { z } from 'zod';
import type { Queryable } from './instances/view.ts';

const counts = z.array(
  z.object({ status: z.string(), reason: z.string(), agent: z.string(), count: z.number(), oldestSeconds: z.number() }),
);
const backlog = z.object({ unpublished: z.number(), oldestSeconds: z.number() });
const hosts = z.array(z.object({ runtime: z.string(), state: z.string(), count: z.number() }));

/** The agents that are counted by name. All others are counted together. */
const mostAgents = 100;
/** Names of agents may have 1 KiB. */
const longestName = 100;

/**
 * Counts what the database holds, for metrics. One process of an engine at a time calls this, every few seconds: the instances are read as a
 * whole, which the limit of time of the connection bounds.
 */
export async function readEngine(database: Queryable) {
  const log = await database.query('select unpublished, oldest_seconds as "oldestSeconds" from event_log_backlog');
  const instances = await database.query(
    `with counted as (
       select agent_id, status, coalesce(metadata #>> '{status_reason,code}', '') as reason, count(*)::int as count,
         extract(epoch from clock_timestamp() - min(status_changed_at))::float8 as oldest
       from instances group by 1, 2, 3
     ), ranked as (
       select agent_id, row_number() over (order by sum(count) desc, agent_id) as place from counted group by agent_id
     )
     select c.status, c.reason,
       case when r.place > $1 then '(others)' else coalesce(left(a.name, $2), '(unpublished)') end as agent,
       sum(c.count)::int as count, max(c.oldest) as "oldestSeconds"
     from counted c join ranked r using (agent_id) left join agents a on a.id = c.agent_id
     group by 1, 2, 3`,
    [mostAgents, longestName],
  );
  const ofHosts = await database.query(
    `select runtime, case when lease_until < clock_timestamp() then 'lost' when draining_since is not null then 'draining' else 'serving' end
       as state, count(*)::int as count
     from hosts where forgotten_at is null group by 1, 2`,
  );
  return {
    log: backlog.parse(log.rows[0]),
    instances: counts.parse(instances.rows),
    hosts: hosts.parse(ofHosts.rows),
  };
}
