-- Up Migration

-- Where and when an entry of the log was published. It is kept apart from the entry: an update of the log itself would write its wide row
-- and the pages of each of its indexes anew, twice for each entry, and would cost more the longer the log is.
alter table event_log rename to event_log_entries;

-- Entries without a position, oldest first. They are few, however long the log is.
create table event_log_waiting (
  id bigint primary key,
  size_bytes integer not null,
  user_id text
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- The mark of a publication changes no indexed column and finds room in the page of its row, so that no index is touched. A marked row
-- is larger than before, hence less than half.
create table event_log_publications (
  id bigint primary key,
  -- Null for an entry that was set aside before there were positions.
  position bigint unique,
  user_id text,
  published_at timestamptz,
  rejected_reason text
) with (fillfactor = 45);

insert into event_log_waiting (id, size_bytes, user_id)
  select id, size_bytes, user_id from event_log_entries
  where position is null and published_at is null and rejected_reason is null order by id;
insert into event_log_publications (id, position, user_id, published_at, rejected_reason)
  select id, position, user_id, published_at, rejected_reason from event_log_entries
  where position is not null or published_at is not null or rejected_reason is not null order by position;
create index event_log_publications_by_user on event_log_publications (user_id, position)
  where position is not null and user_id is not null;

-- Every entry up to this position was published or set aside, so that what a leader left behind is found without a look at the rest.
alter table event_log_positions add column last_settled bigint not null default 0;
update event_log_positions set last_settled = coalesce(
  (select min(p.position) - 1 from event_log_publications p
   where p.position is not null and p.published_at is null and p.rejected_reason is null), last_given);

drop trigger event_log_removal on event_log_entries;
drop trigger event_log_no_truncate on event_log_entries;
drop view event_history;
-- The indexes on these columns go with them.
alter table event_log_entries drop column position, drop column published_at, drop column rejected_reason;

-- Entries as they were before: readers, and whoever cleans the log by hand, need not know how it is stored.
create view event_log as
  select e.id, e.event_id, e.entity_id, e.sequence, e.notification, e.size_bytes, e.correlation_id, e.causation_id, e.traceparent,
    e.occurred_at, e.user_id,
    -- Not joined, because PostgreSQL then passes a DELETE on to the table.
    (select p.position from event_log_publications p where p.id = e.id) as position,
    (select p.published_at from event_log_publications p where p.id = e.id) as published_at,
    (select p.rejected_reason from event_log_publications p where p.id = e.id) as rejected_reason
  from event_log_entries e;

create view event_history as
  select id, event_id, entity_id, sequence, correlation_id, causation_id, traceparent, occurred_at, published_at,
    rejected_reason, position, user_id,
    -- Not to be written anew, with up to 4 MiB of config, where it is an instance's.
    case when user_id is null then jsonb_set(notification, '{row_data,runtime}', '{}', false) else notification end
      as notification
  from event_log;

-- The entries that have a position, for readers that go by positions. `user_id` is that of the publication, which has the index.
create view event_feed as
  select e.id, e.event_id, e.entity_id, e.sequence, e.correlation_id, e.causation_id, e.traceparent, e.occurred_at, p.published_at,
    p.rejected_reason, p.position, p.user_id,
    case when e.user_id is null then jsonb_set(e.notification, '{row_data,runtime}', '{}', false) else e.notification end
      as notification
  from event_log_publications p join event_log_entries e on e.id = p.id
  where p.position is not null;

-- An event_broker of the release before, and whoever has an entry published again by hand, change the columns of the view.
create function event_log_change() returns trigger language plpgsql as $$
begin
  if new.id <> old.id or new.notification <> old.notification then
    raise exception 'Entry % of event_log cannot change', old.id using hint = 'Only its publication can.';
  end if;
  if old.position is null and new.position is not null then
    delete from event_log_waiting w where w.id = old.id;
    insert into event_log_publications (id, position, user_id) values (old.id, new.position, old.user_id);
  end if;
  update event_log_publications p
    set position = new.position, published_at = new.published_at, rejected_reason = new.rejected_reason where p.id = old.id;
  if new.published_at is null and new.rejected_reason is null then
    update event_log_positions p set last_settled = new.position - 1 where p.last_settled >= new.position;
  end if;
  return new;
end $$;
create trigger event_log_change instead of update on event_log for each row execute function event_log_change();

-- Entries may be removed once they were published. Readers that come for them later are told by last_removed.
create or replace function event_log_removal() returns trigger language plpgsql as $$
declare
  waiting bigint;
begin
  if tg_op = 'TRUNCATE' then
    raise exception 'TRUNCATE % would lose events that were not published yet', tg_table_name
      using hint = 'Use DELETE on event_log, with a condition such as published_at < now() - interval ''30 days''.';
  end if;
  select count(*) into waiting from removed r left join event_log_publications p on p.id = r.id
    where p.published_at is null and p.rejected_reason is null;
  if waiting > 0 then
    raise exception '% of the entries to remove from event_log were not published yet', waiting
      using hint = 'Remove only entries that were, e.g. where published_at < now() - interval ''30 days''.';
  end if;
  with gone as (delete from event_log_publications p using removed r where p.id = r.id returning p.position)
  update event_log_positions p set last_removed = greatest(p.last_removed, (select max(g.position) from gone g));
  return null;
end $$;
create trigger event_log_removal after delete on event_log_entries referencing old table as removed
  for each statement execute function event_log_removal();
create trigger event_log_no_truncate before truncate on event_log_entries
  for each statement execute function event_log_removal();
create trigger event_log_publications_no_truncate before truncate on event_log_publications
  for each statement execute function event_log_removal();
create trigger event_log_waiting_no_truncate before truncate on event_log_waiting
  for each statement execute function event_log_removal();

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
  owner text;
begin
  insert into event_log_entries
    (event_id, entity_id, sequence, notification, size_bytes, correlation_id, causation_id, traceparent)
  values (event, p_entity_id, p_sequence, full_notification, size, correlation, causation, trace)
  -- A transaction whose snapshot is older than another one's event cannot see that the number is taken.
  on conflict (entity_id, sequence) do nothing
  returning id, user_id into entry, owner;
  if entry is null then
    raise exception 'Another transaction wrote event % of % at the same time', p_sequence, p_entity_id
      using errcode = 'serialization_failure', hint = 'Repeat the transaction.';
  end if;
  insert into event_log_waiting (id, size_bytes, user_id) values (entry, size, owner);

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

call secure_functions(array['event_log_change()', 'event_log_removal()']::regprocedure[],
  array['append_event(text, uuid, bigint, text, text, jsonb)']::regprocedure[]);

-- What a service reads of the log it reads through a view; event_broker alone works on the tables.
revoke all on event_log_entries from event_broker, agents_worker, admin_backend;
grant select on event_log to event_broker, agents_worker, admin_backend;
grant update (position, published_at, rejected_reason) on event_log to event_broker;
grant select on event_log_entries to event_broker;
grant select, delete on event_log_waiting to event_broker;
grant select, insert, update (published_at, rejected_reason) on event_log_publications to event_broker;
grant update (last_settled) on event_log_positions to event_broker;
grant select on event_history to user_backend;
grant select on event_feed to user_backend, admin_backend;

-- Down Migration
drop view event_history, event_log, event_feed;
drop function event_log_change;
alter table event_log_entries rename to event_log;
drop trigger event_log_removal on event_log;
drop trigger event_log_no_truncate on event_log;

alter table event_log add column published_at timestamptz, add column rejected_reason text, add column position bigint unique;
update event_log l set position = p.position, published_at = p.published_at, rejected_reason = p.rejected_reason
  from event_log_publications p where p.id = l.id;
create index event_log_by_user on event_log (user_id, position) where position is not null and user_id is not null;
create index event_log_unpublished on event_log (position, id) where published_at is null and rejected_reason is null;
drop table event_log_waiting, event_log_publications;
alter table event_log_positions drop column last_settled;

create view event_history as
  select id, event_id, entity_id, sequence, correlation_id, causation_id, traceparent, occurred_at, published_at,
    rejected_reason, position, user_id,
    -- Not to be written anew, with up to 4 MiB of config, where it is an instance's.
    case when user_id is null then jsonb_set(notification, '{row_data,runtime}', '{}', false) else notification end
      as notification
  from event_log;

create or replace function event_log_removal() returns trigger language plpgsql as $$
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

call secure_functions(array['event_log_removal()']::regprocedure[],
  array['append_event(text, uuid, bigint, text, text, jsonb)']::regprocedure[]);
grant select, update (position, published_at, rejected_reason) on event_log to event_broker;
grant select on event_log to agents_worker, admin_backend;
grant select on event_history to user_backend;
