-- Up Migration

-- A host runs agents of one kind: a folder of the process runtime, or a Docker engine. Workers of the host renew its lease together. All
-- times are of PostgreSQL's clock, so that no time of a machine is ever compared with another one's.
create table hosts (
  id uuid primary key,
  name text not null,
  runtime text not null,
  labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
  -- The most instances that are placed here at once; null means no limit.
  capacity integer check (capacity >= 0),
  -- Number of placements on this host. The trigger placements_counted keeps it.
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

-- Where the agent of an instance is or may be. A placement is written before anything starts on the host and removed after everything
-- was removed there, so it may outlive the row of its instance.
create table placements (
  instance_id uuid primary key,
  host_id uuid not null references hosts,
  -- Seconds after the end of the lease from which on the instance may be placed elsewhere; null: it waits for its host.
  replace_after_seconds integer check (replace_after_seconds > 0),
  placed_at timestamptz not null default clock_timestamp(),
  -- When the workflow of the instance was last told something about this host.
  told_at timestamptz,
  -- When the host was first found to be lost; null once the workflow knows that it is back.
  lost_at timestamptz
);
create index placements_by_host on placements (host_id);

-- Instances that were asked to leave a draining host, until they run elsewhere.
create table moves (
  instance_id uuid primary key,
  from_host_id uuid not null references hosts on delete cascade,
  asked_at timestamptz not null default clock_timestamp()
);

-- The worker that watches the hosts, one at a time.
create table fleet_watch (
  only_row boolean primary key default true check (only_row),
  worker_id uuid not null,
  until timestamptz not null
);

-- One placement is made at a time. A row, because any login may take an advisory lock: nobody but place_instance may lock this one.
create table placing_turn (only_row boolean primary key default true check (only_row));
insert into placing_turn default values;

-- A copy of the placement for readers of the row and of its events. A change of this column alone makes no version and no event.
alter table instances add column host_id uuid;

create index instances_host_lost on instances (id)
  where status = 'pending' and metadata #>> '{status_reason,code}' = 'host_lost';

create or replace function instances_version() returns trigger language plpgsql as $$
declare
  elsewhere instances;
begin
  if tg_op = 'INSERT' then
    new.status := 'pending';
    new.sequence := first_sequence(new.id);
    -- 1, or more than any generation of an earlier row of this id: a higher generation is always a later wish, and a
    -- status of an earlier row is stale.
    new.generation := new.sequence;
    new.observed_generation := new.generation - 1;
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
    new.host_id := (select p.host_id from placements p where p.instance_id = new.id);
    return new;
  end if;
  if new.id <> old.id then
    raise exception 'The id of an instance cannot change' using hint = 'Insert a new instance and delete this one.';
  end if;
  if current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return new;
    end if;
  end if;
  new.created_at := old.created_at;
  new.updated_at := old.updated_at;
  new.sequence := old.sequence;
  new.generation := old.generation;
  if (new.agent_id, new.config, new.desired_state) is distinct from (old.agent_id, old.config, old.desired_state) then
    new.generation := old.generation + 1;
  end if;
  elsewhere := old;
  elsewhere.host_id := new.host_id;
  if new is distinct from elsewhere then
    new.sequence := old.sequence + 1;
    new.updated_at := clock_timestamp();
  end if;
  return new;
end $$;

create or replace function instances_notify() returns trigger language plpgsql as $$
declare
  row_data jsonb;
  due bigint;
  elsewhere instances;
begin
  if tg_op = 'DELETE' then
    perform append_event('instances_notify', old.id, old.sequence + 1, 'delete', 'instances',
      to_jsonb(old) - 'config' || jsonb_build_object('updated_at', clock_timestamp()));
    return null;
  end if;
  if tg_op = 'INSERT' then
    -- The id is taken now. Whoever had it has ended, perhaps after first_sequence looked.
    due := next_sequence_without_row(new.id);
    if new.sequence <> due then
      perform set_config('events.renumbers', new.id::text, true);
      new.sequence := due;
      new.generation := due;
      new.observed_generation := due - 1;
      update instances i set sequence = due, generation = due, observed_generation = due - 1 where i.id = new.id;
      perform set_config('events.renumbers', '', true);
    end if;
  else
    elsewhere := old;
    elsewhere.host_id := new.host_id;
    if new is not distinct from elsewhere then
      return null;
    end if;
    if current_setting('events.renumbers', true) <> '' then
      if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
        return null;
      end if;
    end if;
  end if;
  row_data := to_jsonb(new);
  -- A status change need not repeat a config of megabytes.
  if tg_op = 'UPDATE' and new.config = old.config then
    row_data := row_data - 'config';
  end if;
  perform append_event('instances_notify', new.id, new.sequence, lower(tg_op), 'instances', row_data);
  return null;
end $$;

-- As before, but the event says where the instance is placed now: nowhere, once it is cleaned up.
create or replace function record_final_status(p_instance_id uuid, p_cause jsonb)
returns table (sequence bigint, generation bigint, desired_state text)
language plpgsql as $$
declare
  next_sequence bigint := next_sequence_without_row(p_instance_id);
  -- From here and not from the log, whose entries may have been removed.
  last_row jsonb := (select d.row_data from deleted_entities d where d.entity_id = p_instance_id);
begin
  perform set_event_cause(p_cause);
  return query select i.sequence, i.generation, i.desired_state from instances i where i.id = p_instance_id;
  if found or last_row is null then
    return;
  end if;
  perform append_event('instances_notify', p_instance_id, next_sequence, 'update', 'instances',
    last_row || jsonb_build_object(
      'status', 'stopped',
      'sequence', next_sequence,
      'observed_generation', last_row -> 'generation',
      'metadata', (last_row -> 'metadata') - 'status_reason',
      'host_id', (select p.host_id from placements p where p.instance_id = p_instance_id),
      'updated_at', clock_timestamp()));
end $$;

create function placements_counted() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    update instances i set host_id = null where i.id = old.instance_id;
  else
    update instances i set host_id = new.host_id where i.id = new.instance_id;
  end if;
  if tg_op <> 'INSERT' then
    update hosts h set placed = h.placed - 1 where h.id = old.host_id;
  end if;
  if tg_op <> 'DELETE' then
    update hosts h set placed = h.placed + 1 where h.id = new.host_id;
  end if;
  return null;
end $$;
create trigger placements_counted after insert or delete or update of host_id on placements
  for each row execute function placements_counted();
create trigger placements_no_truncate before truncate on placements for each statement execute function refuse_truncate();

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

-- Records that the host holds these instances, as far as they are placed nowhere. Returns the number of new placements.
create function adopt_instances(p_host_id uuid, p_instance_ids uuid[]) returns integer language plpgsql as $$
declare
  adopted integer;
begin
  perform from instances i where i.id = any (p_instance_ids) order by i.id for update;
  insert into placements (instance_id, host_id) select distinct k.id, p_host_id from unnest(p_instance_ids) k (id) order by k.id
    on conflict (instance_id) do nothing;
  get diagnostics adopted = row_count;
  return adopted;
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

create function is_replaceable(p_placement placements, p_host hosts) returns boolean language sql as $$
  select p_host.forgotten_at is not null
    or coalesce(p_host.lease_until + make_interval(secs => p_placement.replace_after_seconds) < clock_timestamp(), false)
$$;

create function say_host_lost(p_placement placements, p_host hosts) returns text language sql as $$
  select format('The host %s is lost: its lease ran out at %s UTC. ', p_host.name,
      to_char(p_host.lease_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')) ||
    case when p_placement.replace_after_seconds is null then 'The instance waits until the host is back.'
    else format('Unless the host is back, the instance is placed on another one %s s after that.', p_placement.replace_after_seconds) end
$$;

create function say_no_host(p_runtime text, p_labels jsonb) returns text language plpgsql as $$
declare
  of_kind integer;
  fitting integer;
  alive integer;
  in_use integer;
begin
  select count(*),
    count(*) filter (where h.labels @> p_labels),
    count(*) filter (where h.labels @> p_labels and h.is_alive),
    count(*) filter (where h.labels @> p_labels and h.is_alive and h.draining_since is null)
    into of_kind, fitting, alive, in_use
    from (
      select k.*, k.lease_until > clock_timestamp() and k.adopted_at is not null and exists (
        select from host_workers w where w.host_id = k.id and w.seen_until > clock_timestamp()) as is_alive
      from hosts k where k.runtime = p_runtime and k.forgotten_at is null) h;
  return case
    when of_kind = 0 then format(
      'No host runs agents of the kind %s: start an agents_worker with the settings that this kind needs.', p_runtime)
    when fitting = 0 then format('None of the hosts that run agents of the kind %s has the labels %s.', p_runtime,
      (select string_agg(l.key || '=' || l.value, ',' order by l.key) from jsonb_each_text(p_labels) l))
    when alive = 0 then format('No host for the agent is served by a worker now; %s would fit.', fitting)
    when in_use = 0 then format('All hosts for the agent are drained: %s would fit.', alive)
    else format('All hosts for the agent are full: %s would fit.', in_use) end;
end $$;

-- Says where the agent of an instance is to run, and records a host for an instance that has none.
--   placed     on host_id. left_host_id is the lost host that it was placed on before
--   host_lost  it is placed on host_id, whose lease ran out; message says so
--   no_host    no host can take it; message says why
--   gone       the instance has no row
create function place_instance(p_instance_id uuid, p_runtime text, p_labels jsonb, p_replace_after_seconds integer)
returns table (outcome text, host_id uuid, left_host_id uuid, message text)
language plpgsql as $$
#variable_conflict use_column
declare
  existing placements;
  home hosts;
  chosen hosts;
begin
  -- Locks are taken in the order instance, placement, host. A transaction of a user may keep an instance for long, and nobody may hold a
  -- host meanwhile, because its lease could not be renewed.
  perform from instances i where i.id = p_instance_id for update;
  if not found then
    return query select 'gone', null::uuid, null::uuid, null::text;
    return;
  end if;
  select * into existing from placements p where p.instance_id = p_instance_id for update;
  if found then
    select * into home from hosts h where h.id = existing.host_id;
    if home.forgotten_at is null and home.lease_until > clock_timestamp() then
      return query select 'placed', home.id, null::uuid, null::text;
      return;
    end if;
    if not is_replaceable(existing, home) then
      update placements p set lost_at = coalesce(p.lost_at, clock_timestamp()) where p.instance_id = p_instance_id;
      return query select 'host_lost', home.id, null::uuid, say_host_lost(existing, home);
      return;
    end if;
  end if;

  -- One placement at a time, so that each sees what the one before has taken.
  perform from placing_turn for update;
  loop
    select h.* into chosen from open_hosts h where h.runtime = p_runtime and h.labels @> p_labels
      order by h.placed, h.id limit 1 for no key update;
    exit when not found;
    -- The last worker may have left before the host was locked.
    exit when exists (select from host_workers w where w.host_id = chosen.id and w.seen_until > clock_timestamp());
  end loop;
  if chosen.id is null then
    return query select 'no_host', null::uuid, null::uuid, say_no_host(p_runtime, p_labels);
    return;
  end if;
  insert into placements as p (instance_id, host_id, replace_after_seconds)
    values (p_instance_id, chosen.id, case when chosen.can_fence then p_replace_after_seconds end)
    on conflict (instance_id) do update set host_id = excluded.host_id, replace_after_seconds = excluded.replace_after_seconds,
      placed_at = clock_timestamp(), told_at = null, lost_at = null;
  return query select 'placed', chosen.id, existing.host_id, null::text;
end $$;

-- Says where something of an instance may be, for its removal. A placement on a host that ended the agent by itself, or that was
-- forgotten, is removed.
--   none       nowhere
--   on         on host_id
--   host_lost  on host_id, whose lease ran out; message says so
create function locate_placement(p_instance_id uuid) returns table (outcome text, host_id uuid, message text)
language plpgsql as $$
#variable_conflict use_column
declare
  existing placements;
  home hosts;
begin
  perform from instances i where i.id = p_instance_id for update;
  select * into existing from placements p where p.instance_id = p_instance_id for update;
  if not found then
    return query select 'none', null::uuid, null::text;
    return;
  end if;
  select * into home from hosts h where h.id = existing.host_id;
  if home.forgotten_at is null and home.lease_until > clock_timestamp() then
    return query select 'on', home.id, null::text;
  elsif is_replaceable(existing, home) then
    delete from placements p where p.instance_id = p_instance_id;
    return query select 'none', null::uuid, null::text;
  else
    update placements p set lost_at = coalesce(p.lost_at, clock_timestamp()) where p.instance_id = p_instance_id;
    return query select 'host_lost', home.id, say_host_lost(existing, home);
  end if;
end $$;

-- Removes the placement, if it is on this host. Must be called after everything of the instance was removed there.
create function forget_placement(p_instance_id uuid, p_host_id uuid) returns void language plpgsql as $$
begin
  perform from instances i where i.id = p_instance_id for update;
  delete from placements p where p.instance_id = p_instance_id and p.host_id = p_host_id;
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

-- Removes forgotten hosts on which nothing is placed any more.
create function remove_forgotten_hosts() returns setof hosts language sql as $$
  delete from hosts h where h.forgotten_at is not null
    and not exists (select from placements p where p.host_id = h.id) returning h.*
$$;

do $$
declare
  entry_points constant regprocedure[] := array['instances_version()', 'instances_notify()', 'record_final_status(uuid, jsonb)',
    'placements_counted()', 'renew_host_lease(uuid, text, text, jsonb, integer, boolean, numeric, uuid, text)',
    'adopt_instances(uuid, uuid[])', 'open_host(uuid)', 'leave_host(uuid, uuid)', 'place_instance(uuid, text, jsonb, integer)',
    'locate_placement(uuid)', 'forget_placement(uuid, uuid)', 'claim_fleet_watch(uuid, numeric)', 'remove_forgotten_hosts()'];
  helpers constant regprocedure[] := array['is_replaceable(placements, hosts)', 'say_host_lost(placements, hosts)',
    'say_no_host(text, jsonb)'];
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

grant execute on function record_final_status, renew_host_lease, adopt_instances, open_host, leave_host, place_instance,
  locate_placement, forget_placement, claim_fleet_watch, remove_forgotten_hosts to agents_worker;
grant select on hosts, host_workers, placements, moves, open_hosts to agents_worker, admin_backend;
grant update (told_at, lost_at) on placements to agents_worker;
grant insert (instance_id, from_host_id), delete on moves to agents_worker;
grant update (draining_since, drain_at_once, forgotten_at) on hosts to admin_backend;
grant select (id, name, runtime, lease_until, draining_since) on hosts to user_backend;

-- Down Migration
drop view open_hosts;
drop trigger placements_counted on placements;
drop function record_final_status, place_instance, locate_placement, is_replaceable, say_host_lost, say_no_host, renew_host_lease,
  adopt_instances, open_host, leave_host, forget_placement, claim_fleet_watch, remove_forgotten_hosts, placements_counted;
drop index instances_host_lost;
drop table placing_turn, fleet_watch, moves, placements, host_workers, hosts;
alter table instances drop column host_id;
create or replace function instances_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.status := 'pending';
    new.sequence := first_sequence(new.id);
    -- 1, or more than any generation of an earlier row of this id: a higher generation is always a later wish, and a
    -- status of an earlier row is stale.
    new.generation := new.sequence;
    new.observed_generation := new.generation - 1;
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
    return new;
  end if;
  if new.id <> old.id then
    raise exception 'The id of an instance cannot change' using hint = 'Insert a new instance and delete this one.';
  end if;
  if current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return new;
    end if;
  end if;
  new.created_at := old.created_at;
  new.updated_at := old.updated_at;
  new.sequence := old.sequence;
  new.generation := old.generation;
  if (new.agent_id, new.config, new.desired_state) is distinct from (old.agent_id, old.config, old.desired_state) then
    new.generation := old.generation + 1;
  end if;
  if new is distinct from old then
    new.sequence := old.sequence + 1;
    new.updated_at := clock_timestamp();
  end if;
  return new;
end $$;
create or replace function instances_notify() returns trigger language plpgsql as $$
declare
  row_data jsonb;
  due bigint;
begin
  if tg_op = 'DELETE' then
    perform append_event('instances_notify', old.id, old.sequence + 1, 'delete', 'instances',
      to_jsonb(old) - 'config' || jsonb_build_object('updated_at', clock_timestamp()));
    return null;
  end if;
  if tg_op = 'INSERT' then
    -- The id is taken now. Whoever had it has ended, perhaps after first_sequence looked.
    due := next_sequence_without_row(new.id);
    if new.sequence <> due then
      perform set_config('events.renumbers', new.id::text, true);
      new.sequence := due;
      new.generation := due;
      new.observed_generation := due - 1;
      update instances i set sequence = due, generation = due, observed_generation = due - 1 where i.id = new.id;
      perform set_config('events.renumbers', '', true);
    end if;
  elsif new is not distinct from old then
    return null;
  elsif current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return null;
    end if;
  end if;
  row_data := to_jsonb(new);
  -- A status change need not repeat a config of megabytes.
  if tg_op = 'UPDATE' and new.config = old.config then
    row_data := row_data - 'config';
  end if;
  perform append_event('instances_notify', new.id, new.sequence, lower(tg_op), 'instances', row_data);
  return null;
end $$;
create or replace function record_final_status(p_instance_id uuid, p_cause jsonb)
returns table (sequence bigint, generation bigint, desired_state text)
language plpgsql set timezone = 'UTC' as $$
declare
  next_sequence bigint := next_sequence_without_row(p_instance_id);
  -- From here and not from the log, whose entries may have been removed.
  last_row jsonb := (select d.row_data from deleted_entities d where d.entity_id = p_instance_id);
begin
  perform set_event_cause(p_cause);
  return query select i.sequence, i.generation, i.desired_state from instances i where i.id = p_instance_id;
  if found or last_row is null then
    return;
  end if;
  perform append_event('instances_notify', p_instance_id, next_sequence, 'update', 'instances',
    last_row || jsonb_build_object(
      'status', 'stopped',
      'sequence', next_sequence,
      'observed_generation', last_row -> 'generation',
      'metadata', (last_row -> 'metadata') - 'status_reason',
      'updated_at', clock_timestamp()));
end $$;
do $$
declare
  replaced regprocedure;
  setting text;
begin
  foreach replaced in array array['instances_version()', 'instances_notify()', 'record_final_status(uuid, jsonb)']::regprocedure[] loop
    execute format('revoke execute on function %s from public', replaced);
    execute format('alter function %s security definer set search_path = %I, pg_temp', replaced, current_schema());
    foreach setting in array array['standard_conforming_strings = on', 'transform_null_equals = off', 'datestyle = ''ISO, MDY''',
      'intervalstyle = postgres', 'timezone = ''UTC''', 'extra_float_digits = 1'] loop
      execute format('alter function %s set %s', replaced, setting);
    end loop;
  end loop;
end $$;
grant execute on function record_final_status to agents_worker;
