-- Up Migration

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

-- One placement is made at a time. A row, because any login may take an advisory lock: nobody but place_instance may lock this one.
create table placing_turn (only_row boolean primary key default true check (only_row));
insert into placing_turn default values;

-- A copy of the placement for readers of the row and of its events. A change of this column alone makes no version and no event.
alter table instances add column host_id uuid;

create index instances_host_lost on instances (id)
  where status = 'pending' and metadata #>> '{status_reason,code}' = 'host_lost';

-- Versions and events come of changes of these columns: all but host_id.
drop trigger instances_version on instances;
drop trigger instances_notify on instances;
create trigger instances_version before insert or update of id, agent_id, user_id, config, desired_state, generation, status,
  observed_generation, metadata, sequence, created_at, updated_at on instances for each row execute function instances_version();
create trigger instances_notify after insert or delete or update of id, agent_id, user_id, config, desired_state, generation, status,
  observed_generation, metadata, sequence, created_at, updated_at on instances for each row execute function instances_notify();

-- A row that comes again under its old id may find that its agent is still placed.
create function instances_host() returns trigger language plpgsql as $$
begin
  new.host_id := (select p.host_id from placements p where p.instance_id = new.id);
  return new;
end $$;
create trigger instances_host before insert on instances for each row execute function instances_host();

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

-- Removes forgotten hosts on which nothing is placed any more.
create function remove_forgotten_hosts() returns setof hosts language sql as $$
  delete from hosts h where h.forgotten_at is not null
    and not exists (select from placements p where p.host_id = h.id) returning h.*
$$;

call secure_functions(
  array['record_final_status(uuid, jsonb)', 'instances_host()', 'placements_counted()', 'adopt_instances(uuid, uuid[])',
    'place_instance(uuid, text, jsonb, integer)', 'locate_placement(uuid)', 'forget_placement(uuid, uuid)',
    'remove_forgotten_hosts()']::regprocedure[],
  array['is_replaceable(placements, hosts)', 'say_host_lost(placements, hosts)', 'say_no_host(text, jsonb)']::regprocedure[]);

grant execute on function record_final_status, adopt_instances, place_instance, locate_placement, forget_placement,
  remove_forgotten_hosts to agents_worker;
grant select on placements, moves to agents_worker, admin_backend;
grant update (told_at, lost_at) on placements to agents_worker;
grant insert (instance_id, from_host_id), delete on moves to agents_worker;

-- Down Migration
drop trigger placements_counted on placements;
drop trigger instances_host on instances;
drop trigger instances_version on instances;
drop trigger instances_notify on instances;
drop function record_final_status, place_instance, locate_placement, is_replaceable, say_host_lost, say_no_host, adopt_instances,
  forget_placement, remove_forgotten_hosts, placements_counted, instances_host;
drop index instances_host_lost;
drop table placing_turn, moves, placements;
alter table instances drop column host_id;
create trigger instances_version before insert or update on instances for each row execute function instances_version();
create trigger instances_notify after insert or update or delete on instances for each row execute function instances_notify();
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
call secure_functions(array['record_final_status(uuid, jsonb)']::regprocedure[], array[]::regprocedure[]);
grant execute on function record_final_status to agents_worker;
