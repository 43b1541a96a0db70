import { z } from 'zod';
import { joinVersionToRun } from '../instances/version-to-run.ts';
import type { Queryable } from '../instances/view.ts';

/** Hosts as people see and manage them. */

const worker = z
  .object({ id: z.string(), build: z.string(), started_at: z.coerce.date() })
  .transform(({ id, build, started_at: startedAt }) => ({ id, build, startedAt }));

const host = z
  .object({
    id: z.string(),
    name: z.string(),
    runtime: z.string(),
    labels: z.record(z.string(), z.string()),
    capacity: z.int().nullable(),
    placed: z.int(),
    can_fence: z.boolean(),
    lease_until: z.date(),
    lease_seconds_left: z.number(),
    workers: z.array(worker),
    draining_since: z.date().nullable(),
    drain_at_once: z.int(),
    moving: z.int(),
    waiting: z.int(),
    is_forgotten: z.boolean(),
    registered_at: z.date(),
  })
  .transform((row) => ({
    id: row.id,
    name: row.name,
    runtime: row.runtime,
    labels: row.labels,
    capacity: row.capacity,
    /** Number of instances that are placed here. */
    placed: row.placed,
    canFence: row.can_fence,
    /** `secondsLeft` is by the clock of PostgreSQL, and negative for a lost host. */
    lease: { holds: row.lease_seconds_left > 0, until: row.lease_until, secondsLeft: row.lease_seconds_left },
    /** The workers that serve the host now. */
    workers: row.workers,
    /** Null unless the host drains. Instances that are `waiting` fit on no other host now. */
    drain:
      row.draining_since === null
        ? null
        : {
            since: row.draining_since,
            atOnce: row.drain_at_once,
            moving: row.moving,
            waiting: row.waiting,
            left: row.placed,
          },
    /** Somebody has forgotten the host, and its instances are being placed elsewhere. */
    isForgotten: row.is_forgotten,
    registeredAt: row.registered_at,
  }));
export type Host = z.infer<typeof host>;

const selectHosts = `
  select h.id, h.name, h.runtime, h.labels, h.capacity, h.placed, h.can_fence, h.lease_until,
    extract(epoch from h.lease_until - clock_timestamp())::float8 as lease_seconds_left,
    (select coalesce(jsonb_agg(jsonb_build_object('id', w.worker_id, 'build', w.build, 'started_at', w.started_at)
        order by w.started_at), '[]')
      from host_workers w where w.host_id = h.id and w.seen_until > clock_timestamp()) as workers,
    h.draining_since, h.drain_at_once,
    (select count(*)::int from moves m where m.from_host_id = h.id) as moving,
    case when h.draining_since is null then 0 else (
      select coalesce(sum(k.instances), 0)::int from (
        select v.runtime ->> 'kind' as kind, coalesce(v.runtime -> 'host_labels', '{}') as labels, count(*) as instances
        from placements p left join instances i on i.id = p.instance_id left join agents a on a.id = i.agent_id
        ${joinVersionToRun('agent_versions')}
        where p.host_id = h.id and not exists (select from moves m where m.instance_id = p.instance_id)
        group by 1, 2) k
      where not exists (select from open_hosts o where o.runtime = k.kind and o.labels @> k.labels)) end as waiting,
    h.forgotten_at is not null as is_forgotten, h.registered_at
  from hosts h`;

/** Lists all hosts by name. */
export async function listHosts(database: Queryable): Promise<Host[]> {
  const { rows } = await database.query(`${selectHosts} order by h.name, h.runtime, h.id`);
  return z.array(host).parse(rows);
}

async function readHost(database: Queryable, id: string): Promise<Host | undefined> {
  const { rows } = await database.query(`${selectHosts} where h.id = $1`, [id]);
  return rows[0] === undefined ? undefined : host.parse(rows[0]);
}

/**
 * Places no instance on the host any more, and moves those that are there to other hosts.
 *
 * @param atOnce how many instances move at the same time
 * @returns undefined if there is no such host
 */
export async function drainHost(database: Queryable, id: string, atOnce: number): Promise<Host | undefined> {
  await database.query(
    'update hosts set draining_since = coalesce(draining_since, clock_timestamp()), drain_at_once = $2 where id = $1',
    [id, atOnce],
  );
  return readHost(database, id);
}

/** Places instances on the host again. Those that have left stay where they are. @returns undefined if there is no such host */
export async function undrainHost(database: Queryable, id: string): Promise<Host | undefined> {
  await database.query('update hosts set draining_since = null where id = $1', [id]);
  return readHost(database, id);
}

/**
 * Gives a lost host up: its instances are placed elsewhere, and the host disappears from the list once none is left. The caller vouches
 * that no agent runs there any more.
 *
 * @returns `alive` when the lease of the host holds; nothing was changed then
 */
export async function forgetHost(database: Queryable, id: string): Promise<'forgotten' | 'alive' | 'gone'> {
  const { rowCount } = await database.query(
    `update hosts set forgotten_at = coalesce(forgotten_at, clock_timestamp()) where id = $1 and lease_until < clock_timestamp()`,
    [id],
  );
  if (rowCount === 1) return 'forgotten';
  return (await readHost(database, id)) === undefined ? 'gone' : 'alive';
}
