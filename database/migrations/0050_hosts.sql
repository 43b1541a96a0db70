-- Up Migration

-- Gives functions of ours the settings of 0040, so that what they do depends on no setting of the session that calls them. Nobody may
-- call them before a right is granted. Entry points run with the rights of their owner, and helpers with those of what calls them.
create procedure secure_functions(entry_points regprocedure[], helpers regprocedure[]) language plpgsql as $$
declare
  settings constant text[] := array['standard_conforming_strings = on', 'transform_null_equals = off', 'datestyle = ''ISO, MDY''',
    'intervalstyle = postgres', 'timezone = ''UTC''', 'extra_float_digits = 1'];
  ours regprocedure;
  setting text;
begin
  foreach ours in array entry_points || helpers loop
    execute format('alter function %s set search_path = %I, pg_temp', ours, current_schema());
    execute format('revoke execute on function %s from public', ours);
  end loop;
  foreach ours in array entry_points loop
    execute format('alter function %s security definer', ours);
    foreach setting in array settings loop
      execute format('alter function %s set %s', ours, setting);
    end loop;
  end loop;
end $$;
revoke execute on procedure secure_functions from public;
do $$
begin
  execute format('alter procedure secure_functions set search_path = %I, pg_temp', current_schema());
end $$;

-- A host runs agents of one kind: a folder of the process runtime, or a Docker engine. Workers of the host renew its lease together. All
-- times are of PostgreSQL's clock, so that no time of a machine is ever compared with another one's.
create table hosts (
  id uuid primary key,
  name text not null,
  runtime text not null,
  labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
  -- The most instances that are placed here at once; null means no limit.
  capacity integer check (capacity >= 0),
  -- Number of placements on this host, which 0051 counts.
  placed integer not null default 0 check (placed >= 0),
  -- Whether the host ends agents by itself that may have been replaced elsewhere.
  can_fence boolean not null,
  lease_seconds numeric not null check (lease_seconds > 0),
  lease_until timestamptz not null,
  draining_since timestamptz,
  -- How many instances leave the host at the same time while it drains.
  drain_at_once integer not null default 1 check (drain_at_once > 0),
  forgotten_at timestamptz,
  registered_at timestamptz not null default clock_timestamp(),
  -- When everything that the host kept at its registration had a placement. Nothing is placed here before.
  adopted_at timestamptz
);

-- The workers that serve a host. A worker that stops leaves first, so that nothing is placed on a host without workers.
create table host_workers (
  host_id uuid not null references hosts on delete cascade,
  worker_id uuid not null,
  build text not null,
  started_at timestamptz not null default clock_timestamp(),
  seen_until timestamptz not null,
  primary key (host_id, worker_id)
);

-- The worker that watches the hosts, one at a time.
create table fleet_watch (
  only_row boolean primary key default true check (only_row),
  worker_id uuid not null,
  until timestamptz not null
);

-- The hosts that may be given an instance now.
create view open_hosts as
  select h.* from hosts h
  where h.adopted_at is not null and h.draining_since is null and h.forgotten_at is null and h.lease_until > clock_timestamp()
    and (h.capacity is null or h.placed < h.capacity)
    and exists (select from host_workers w where w.host_id = h.id and w.seen_until > clock_timestamp());

-- Registers the host, or renews its lease, and with it the time until which the worker counts as serving it.
--   adopt      the lease holds; the worker has to call adopt_instances for what the host keeps, and then open_host
--   renewed    the lease holds
--   forgotten  nothing was renewed: somebody forgot the host, and its instances are being placed elsewhere
-- A worker that has left passes null, so that the lease goes on while it finishes its work.
create function renew_host_lease(
  p_host_id uuid, p_name text, p_runtime text, p_labels jsonb, p_capacity integer, p_can_fence boolean, p_lease_seconds numeric,
  p_worker_id uuid, p_build text
) returns text language plpgsql as $$
declare
  lease interval := make_interval(secs => p_lease_seconds::double precision);
  adopted timestamptz;
begin
  insert into hosts as h (id, name, runtime, labels, capacity, can_fence, lease_seconds, lease_until)
    values (p_host_id, p_name, p_runtime, p_labels, p_capacity, p_can_fence, p_lease_seconds, clock_timestamp() + lease)
    on conflict (id) do update set name = p_name, runtime = p_runtime, labels = p_labels, capacity = p_capacity,
      can_fence = p_can_fence, lease_seconds = p_lease_seconds,
      -- Another worker may have taken a longer lease, until whose end the host does not end its agents.
      lease_until = greatest(h.lease_until, clock_timestamp() + lease)
      where h.forgotten_at is null
    returning h.adopted_at into adopted;
  if not found then
    return 'forgotten';
  end if;
  if p_worker_id is not null then
    insert into host_workers as w (host_id, worker_id, build, seen_until)
      values (p_host_id, p_worker_id, p_build, clock_timestamp() + lease)
      on conflict (host_id, worker_id) do update set seen_until = excluded.seen_until;
    delete from host_workers w where w.host_id = p_host_id and w.seen_until < clock_timestamp() - interval '1 hour';
  end if;
  return case when adopted is null then 'adopt' else 'renewed' end;
end $$;

-- Instances may be placed on the host from now on.
create function open_host(p_host_id uuid) returns void language sql as $$
  update hosts set adopted_at = clock_timestamp() where id = p_host_id and adopted_at is null
$$;

-- The worker takes no more instances for the host. An instance that is being placed has its placement when this returns, or gets none.
create function leave_host(p_host_id uuid, p_worker_id uuid) returns void language plpgsql as $$
begin
  perform from hosts h where h.id = p_host_id for no key update;
  delete from host_workers w where w.host_id = p_host_id and w.worker_id = p_worker_id;
end $$;

-- Makes the worker the one that watches the hosts, or keeps it so. Returns whether it is.
create function claim_fleet_watch(p_worker_id uuid, p_seconds numeric) returns boolean language plpgsql as $$
begin
  insert into fleet_watch as f (worker_id, until)
    values (p_worker_id, clock_timestamp() + make_interval(secs => p_seconds::double precision))
    on conflict (only_row) do update set worker_id = excluded.worker_id, until = excluded.until
      where f.worker_id = excluded.worker_id or f.until < clock_timestamp();
  return found;
end $$;

call secure_functions(
  array['renew_host_lease(uuid, text, text, jsonb, integer, boolean, numeric, uuid, text)', 'open_host(uuid)', 'leave_host(uuid, uuid)',
    'claim_fleet_watch(uuid, numeric)']::regprocedure[],
  array[]::regprocedure[]);

grant execute on function renew_host_lease, open_host, leave_host, claim_fleet_watch to agents_worker;
grant select on hosts, host_workers, open_hosts to agents_worker, admin_backend;
grant update (draining_since, drain_at_once, forgotten_at) on hosts to admin_backend;

-- Down Migration
drop view open_hosts;
drop function renew_host_lease, open_host, leave_host, claim_fleet_watch;
drop table fleet_watch, host_workers, hosts;
drop procedure secure_functions;
