-- Up Migration

-- Where the numbers of the log stand. They never go back, whatever is removed from event_log.

-- The last sequence of each entity whose row was deleted at least once. A later row of the same id goes on after it.
create table deleted_entities (
  entity_id uuid primary key,
  sequence bigint not null,
  -- `row_data` of the deletion of an instance, which record_final_status needs; null in every other case.
  row_data jsonb
);

insert into deleted_entities (entity_id, sequence, row_data)
select distinct on (entity_id) entity_id, sequence,
  case when user_id is not null and notification ->> 'event_type' = 'delete' then notification -> 'row_data' end
from event_log l
where not exists (select from instances i where i.id = l.entity_id) and not exists (select from agents a where a.id = l.entity_id)
order by entity_id, sequence desc;

create table event_log_positions (
  only_row boolean primary key default true check (only_row),
  -- The position that the broker gave last.
  last_given bigint not null,
  -- The highest position whose entry was removed from the log; 0 when none was.
  last_removed bigint not null default 0
);
insert into event_log_positions (last_given) select coalesce(max(position), 0) from event_log;
-- What was removed before this migration is not known: positions are contiguous, so everything below the first one is gone.
update event_log_positions set last_removed = coalesce((select min(position) - 1 from event_log where position is not null), last_given);

grant select, update (last_given) on event_log_positions to event_broker;
grant select on event_log_positions to user_backend;
grant select on deleted_entities to agents_worker;

-- Appends one event and wakes the broker. The writer may say what it belongs to with
-- `set local events.correlation_id`, `events.causation_id` and `events.traceparent`.
create or replace function append_event(
  p_channel text, p_entity_id uuid, p_sequence bigint, p_event_type text, p_table text, p_row_data jsonb
) returns void language plpgsql set timezone = 'UTC' as $$
declare
  -- NOTIFY refuses 8,000 bytes and more, which would abort the writer's own statement.
  notify_limit_bytes constant integer := 7500;
  event uuid := gen_random_uuid();
  correlation uuid := coalesce(nullif(current_setting('events.correlation_id', true), '')::uuid, event);
  causation uuid := nullif(current_setting('events.causation_id', true), '')::uuid;
  -- A malformed one begins a new trace, as https://www.w3.org/TR/trace-context/ asks: no reader would take the event.
  trace text := coalesce(
    substring(current_setting('events.traceparent', true)
      from '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'),
    format('00-%s-%s-01', replace(correlation::text, '-', ''), left(replace(event::text, '-', ''), 16)));
  envelope jsonb := jsonb_build_object('schema_version', 1, 'event_type', p_event_type, 'table', p_table);
  full_notification jsonb := envelope || jsonb_build_object('row_data', p_row_data);
  size integer := octet_length(full_notification::text);
  entry bigint;
begin
  insert into event_log
    (event_id, entity_id, sequence, notification, size_bytes, correlation_id, causation_id, traceparent)
  values (event, p_entity_id, p_sequence, full_notification, size, correlation, causation, trace)
  -- A transaction whose snapshot is older than another one's event cannot see that the number is taken.
  on conflict (entity_id, sequence) do nothing
  returning id into entry;
  if entry is null then
    raise exception 'Another transaction wrote event % of % at the same time', p_sequence, p_entity_id
      using errcode = 'serialization_failure', hint = 'Repeat the transaction.';
  end if;

  if p_event_type = 'delete' then
    insert into deleted_entities (entity_id, sequence, row_data)
      values (p_entity_id, p_sequence, case when p_table = 'instances' then p_row_data end)
      on conflict (entity_id) do update set sequence = excluded.sequence, row_data = excluded.row_data;
  else
    update deleted_entities set sequence = p_sequence, row_data = null where entity_id = p_entity_id;
  end if;

  perform pg_notify(p_channel, case
    -- Every login of the database may LISTEN, and `runtime` of an agent holds commands and environments.
    when p_table <> 'agents' and size <= notify_limit_bytes then full_notification
    else envelope || jsonb_build_object('event_log_id', entry)
  end::text);
end $$;

-- The next number of an entity that has no row (yet, or any more). Locks what says so until the transaction ends: nobody
-- else takes the number meanwhile.
create or replace function next_sequence_without_row(p_entity_id uuid) returns bigint language plpgsql as $$
declare
  last bigint;
begin
  select d.sequence into last from deleted_entities d where d.entity_id = p_entity_id for update;
  return coalesce(last, 0) + 1;
end $$;

-- The number that a row begins with, as far as can be told before it is inserted. It must not lock: a transaction that
-- holds the id of the row takes that lock, too, and the insert will wait for it.
create function first_sequence(p_entity_id uuid) returns bigint language sql as $$
  select coalesce((select d.sequence from deleted_entities d where d.entity_id = p_entity_id), 0) + 1
$$;

-- Whether an update of this row does nothing but number a new row anew. The setting alone says nothing, since every session can
-- change it.
create function is_renumbering(p_id uuid, p_old jsonb, p_new jsonb) returns boolean language sql as $$
  select current_setting('events.renumbers', true) = p_id::text
    and p_old - array['sequence', 'generation', 'observed_generation'] = p_new - array['sequence', 'generation', 'observed_generation']
$$;

create or replace function agents_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.sequence := first_sequence(new.id);
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
  elsif new.id <> old.id then
    raise exception 'The id of an agent cannot change' using hint = 'Insert a new agent and retire this one.';
  else
    if current_setting('events.renumbers', true) <> '' then
      if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
        return new;
      end if;
    end if;
    new.created_at := old.created_at;
    new.sequence := old.sequence;
    new.updated_at := old.updated_at;
    if new is distinct from old then
      new.sequence := old.sequence + 1;
      new.updated_at := clock_timestamp();
    end if;
  end if;
  return new;
end $$;

create or replace function agents_notify() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
  due bigint;
begin
  if tg_op = 'DELETE' then
    perform append_event('agents_notify', old.id, old.sequence + 1, 'delete', 'agents',
      to_jsonb(old) || jsonb_build_object('updated_at', clock_timestamp()));
    return null;
  end if;
  if tg_op = 'INSERT' then
    -- The id is taken now. Whoever had it has ended, perhaps after first_sequence looked.
    due := next_sequence_without_row(new.id);
    if new.sequence <> due then
      perform set_config('events.renumbers', new.id::text, true);
      new.sequence := due;
      update agents a set sequence = due where a.id = new.id;
      perform set_config('events.renumbers', '', true);
    end if;
  elsif new is not distinct from old then
    return null;
  elsif current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return null;
    end if;
  end if;
  perform append_event('agents_notify', new.id, new.sequence, lower(tg_op), 'agents', to_jsonb(new));
  return null;
end $$;

-- Keeps what no client may choose: versions, times, and the state in which a row begins.
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

create or replace function instances_notify() returns trigger language plpgsql set timezone = 'UTC' as $$
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

-- Appends the last event of an instance whose row was deleted, with status `stopped`: once, however often it is called.
-- Returns the row where there is one (again): nothing was written then.
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

-- Entries may be removed once they were published. Readers that come for them later are told by last_removed.
create function event_log_removal() returns trigger language plpgsql as $$
declare
  waiting bigint;
begin
  if tg_op = 'TRUNCATE' then
    raise exception 'TRUNCATE event_log would lose events that were not published yet'
      using hint = 'Use DELETE, with a condition such as published_at < now() - interval ''30 days''.';
  end if;
  select count(*) into waiting from removed r where r.published_at is null and r.rejected_reason is null;
  if waiting > 0 then
    raise exception '% of the entries to remove from event_log were not published yet', waiting
      using hint = 'Remove only entries that were, e.g. where published_at < now() - interval ''30 days''.';
  end if;
  update event_log_positions p set last_removed = greatest(p.last_removed, (select max(r.position) from removed r));
  return null;
end $$;
create trigger event_log_removal after delete on event_log referencing old table as removed
  for each statement execute function event_log_removal();
create trigger event_log_no_truncate before truncate on event_log
  for each statement execute function event_log_removal();

do $$
declare
  replaced regprocedure;
begin
  -- Replacing a function drops its settings; who may execute it stays.
  foreach replaced in array array['agents_version()', 'agents_notify()', 'instances_version()', 'instances_notify()',
    'record_final_status(uuid, jsonb)', 'event_log_removal()']::regprocedure[]
  loop
    execute format('alter function %s security definer set search_path = %I, pg_temp', replaced, current_schema());
  end loop;
end $$;
revoke execute on function first_sequence, is_renumbering, event_log_removal from public;

-- Down Migration
drop trigger event_log_removal on event_log;
drop trigger event_log_no_truncate on event_log;
create or replace function append_event(
  p_channel text, p_entity_id uuid, p_sequence bigint, p_event_type text, p_table text, p_row_data jsonb
) returns void language plpgsql set timezone = 'UTC' as $$
declare
  -- NOTIFY refuses 8,000 bytes and more, which would abort the writer's own statement.
  notify_limit_bytes constant integer := 7500;
  event uuid := gen_random_uuid();
  correlation uuid := coalesce(nullif(current_setting('events.correlation_id', true), '')::uuid, event);
  causation uuid := nullif(current_setting('events.causation_id', true), '')::uuid;
  -- A malformed one begins a new trace, as https://www.w3.org/TR/trace-context/ asks: no reader would take the event.
  trace text := coalesce(
    substring(current_setting('events.traceparent', true)
      from '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'),
    format('00-%s-%s-01', replace(correlation::text, '-', ''), left(replace(event::text, '-', ''), 16)));
  envelope jsonb := jsonb_build_object('schema_version', 1, 'event_type', p_event_type, 'table', p_table);
  full_notification jsonb := envelope || jsonb_build_object('row_data', p_row_data);
  size integer := octet_length(full_notification::text);
  entry bigint;
begin
  insert into event_log
    (event_id, entity_id, sequence, notification, size_bytes, correlation_id, causation_id, traceparent)
  values (event, p_entity_id, p_sequence, full_notification, size, correlation, causation, trace)
  returning id into entry;

  perform pg_notify(p_channel, case
    when size <= notify_limit_bytes then full_notification
    else envelope || jsonb_build_object('event_log_id', entry)
  end::text);
end $$;

create or replace function next_sequence_without_row(p_entity_id uuid) returns bigint language plpgsql as $$
begin
  -- A new id needs no lock, its primary key is one: a lock for each of tens of thousands of rows would be refused.
  if not exists (select from event_log where entity_id = p_entity_id) then
    return 1;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(p_entity_id::text, 0));
  return (select coalesce(max(sequence), 0) + 1 from event_log where entity_id = p_entity_id);
end $$;

create or replace function agents_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.sequence := next_sequence_without_row(new.id);
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
  elsif new.id <> old.id then
    raise exception 'The id of an agent cannot change' using hint = 'Insert a new agent and retire this one.';
  else
    new.created_at := old.created_at;
    new.sequence := old.sequence;
    new.updated_at := old.updated_at;
    if new is distinct from old then
      new.sequence := old.sequence + 1;
      new.updated_at := clock_timestamp();
    end if;
  end if;
  return new;
end $$;

create or replace function agents_notify() returns trigger language plpgsql set timezone = 'UTC' as $$
begin
  if tg_op = 'DELETE' then
    perform append_event('agents_notify', old.id, old.sequence + 1, 'delete', 'agents',
      to_jsonb(old) || jsonb_build_object('updated_at', clock_timestamp()));
  elsif tg_op = 'INSERT' or new is distinct from old then
    perform append_event('agents_notify', new.id, new.sequence, lower(tg_op), 'agents', to_jsonb(new));
  end if;
  return null;
end $$;

create or replace function instances_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.status := 'pending';
    new.sequence := next_sequence_without_row(new.id);
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

create or replace function instances_notify() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
  row_data jsonb;
begin
  if tg_op = 'DELETE' then
    perform append_event('instances_notify', old.id, old.sequence + 1, 'delete', 'instances',
      to_jsonb(old) - 'config' || jsonb_build_object('updated_at', clock_timestamp()));
    return null;
  end if;
  if tg_op = 'UPDATE' and new is not distinct from old then
    return null;
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
  last_notification jsonb := (
    select l.notification from event_log l where l.entity_id = p_instance_id and l.sequence = next_sequence - 1);
  last_row jsonb := last_notification -> 'row_data';
begin
  perform set_event_cause(p_cause);
  return query select i.sequence, i.generation, i.desired_state from instances i where i.id = p_instance_id;
  if found or last_notification ->> 'event_type' is distinct from 'delete' then
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
begin
  foreach replaced in array array['agents_version()', 'agents_notify()', 'instances_version()', 'instances_notify()',
    'record_final_status(uuid, jsonb)']::regprocedure[]
  loop
    execute format('alter function %s security definer set search_path = %I, pg_temp', replaced, current_schema());
  end loop;
end $$;
drop function event_log_removal, is_renumbering, first_sequence;
drop table event_log_positions, deleted_entities;
