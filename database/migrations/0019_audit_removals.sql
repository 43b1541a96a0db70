-- Up Migration

-- What is removed from the audit log is on record in it, and nothing that is younger than its owner says can be removed.

-- Only the owner of the database may change this: admin_backend, and whoever took it over, keeps to it.
create table audit_retention (
  only_row boolean primary key default true check (only_row),
  -- Entries are kept at least so long after they were recorded.
  minimum_days integer not null check (minimum_days >= 0)
);
insert into audit_retention (minimum_days) values (30);

-- Null in the record of a removal, which is about no agent. The hash covers an empty line then, as for every null.
alter table audit_log alter column agent_id drop not null;
alter table audit_log add constraint audit_log_agent_id_is_known
  check (agent_id is not null or type = 'audit_log.entries_removed');

-- The last entry of the chain, or what it follows; with the lock of the chain.
create function lock_audit_head() returns audit_anchor language plpgsql as $$
declare
  head audit_anchor;
begin
  perform from audit_anchor for update;
  select true, chain.position, chain.hash into head
    from (select l.position, l.hash from audit_log l union all select a.position, a.hash from audit_anchor a) chain
    order by chain.position desc limit 1;
  return head;
end $$;

-- Writes an entry behind that head and returns the new one.
create function append_audit_entry(p_head audit_anchor, p_entry audit_log) returns audit_anchor language plpgsql as $$
begin
  p_entry.position := p_head.position + 1;
  p_entry.recorded_at := clock_timestamp();
  p_entry.previous_hash := p_head.hash;
  p_entry.hash := encode(sha256(convert_to(audit_text(p_entry), 'UTF8')), 'hex');
  insert into audit_log select p_entry.*;
  return row(true, p_entry.position, p_entry.hash)::audit_anchor;
end $$;

-- Says in the chain that all entries up to that one were removed, which had that hash.
create function record_audit_removal(p_position bigint, p_hash text) returns void language plpgsql as $$
declare
  entry audit_log;
begin
  entry.event_id := gen_random_uuid();
  entry.type := 'audit_log.entries_removed';
  entry.occurred_at := clock_timestamp();
  entry.sequence := 1;
  entry.correlation_id := entry.event_id;
  entry.schema_version := 1;
  entry.body := jsonb_build_object('up_to_position', p_position, 'hash', p_hash, 'by', session_user)::text;
  perform append_audit_entry(lock_audit_head(), entry);
end $$;

-- Appends events in their order, all of them or none: an array of objects with the columns from event_id to body, without
-- recorded_at. One that has an entry already changes nothing. Returns where each of them is.
create or replace function append_audit_entries(p_events jsonb) returns table (event_id uuid, "position" bigint)
language plpgsql as $$
declare
  head audit_anchor := lock_audit_head();
  event audit_log;
begin
  for event in
    select given.* from jsonb_array_elements(p_events) with ordinality as each (value, place),
      jsonb_populate_record(null::audit_log, each.value) as given order by place
  loop
    if event.type ~ '^audit_log\.' then
      raise exception 'An event of the type % is none of the bus: only the audit log itself writes such entries', event.type
        using errcode = 'check_violation', constraint = 'audit_log_types_of_its_own';
    end if;
    event_id := event.event_id;
    select l.position into append_audit_entries.position from audit_log l where l.event_id = event.event_id;
    if not found then
      head := append_audit_entry(head, event);
      append_audit_entries.position := head.position;
    end if;
    return next;
  end loop;
end $$;

-- Removes the oldest entries, as far as all were recorded before that time and longer ago than `audit_retention` says, at most
-- so many; returns their number. The anchor then says what the rest follows, and a new entry what was removed.
create or replace function remove_audit_entries(p_before timestamptz, p_limit integer) returns integer
language plpgsql set audit_log.removes = 'on' as $$
declare
  -- The server's clock: no session can set it.
  limit_of_age timestamptz := clock_timestamp()
    - (select make_interval(hours => 24 * r.minimum_days) from audit_retention r);
  last audit_anchor;
  removed integer;
begin
  if p_before is null or p_limit is null or p_limit < 1 or limit_of_age is null then
    raise exception 'remove_audit_entries takes a time and a number of entries from 1 on'
      using errcode = 'invalid_parameter_value';
  end if;
  perform lock_audit_head();
  select true, oldest.position, oldest.hash into last from (
    select l.position, l.hash, bool_and(l.recorded_at < p_before and l.recorded_at < limit_of_age) over (order by l.position) as is_old
    from audit_log l order by l.position limit p_limit) oldest
  where is_old order by oldest.position desc limit 1;
  if last.position is null then
    return 0;
  end if;
  -- Before anything goes: the record follows what is removed, also where that is everything.
  perform record_audit_removal(last.position, last.hash);
  update audit_anchor set (position, hash) = (last.position, last.hash);
  delete from audit_log l where l.position <= last.position;
  get diagnostics removed = row_count;
  return removed;
end $$;

do $$
declare
  entry regprocedure;
begin
  foreach entry in array array['append_audit_entries(jsonb)', 'remove_audit_entries(timestamptz, integer)']::regprocedure[]
  loop
    execute format('alter function %s security definer set search_path = %I, pg_temp', entry, current_schema());
  end loop;
  if exists (select from pg_roles where rolname = 'admin_backend') then
    grant select on audit_retention to admin_backend;
  end if;
end $$;
revoke execute on function lock_audit_head, append_audit_entry, record_audit_removal from public;

-- What was removed before removals were recorded.
select record_audit_removal(a.position, a.hash) from audit_anchor a where a.position > 0;

-- Down Migration

-- Records of removals are entries like any other, and stay; without their type, entries must be about an agent.
create or replace function append_audit_entries(p_events jsonb) returns table (event_id uuid, "position" bigint)
language plpgsql as $$
declare
  head record;
  event audit_log;
begin
  perform from audit_anchor for update;
  select chain.position, chain.hash into head
    from (select l.position, l.hash from audit_log l union all select a.position, a.hash from audit_anchor a) chain
    order by chain.position desc limit 1;
  for event in
    select given.* from jsonb_array_elements(p_events) with ordinality as each (value, place),
      jsonb_populate_record(null::audit_log, each.value) as given order by place
  loop
    event_id := event.event_id;
    select l.position into append_audit_entries.position from audit_log l where l.event_id = event.event_id;
    if not found then
      event.position := head.position + 1;
      event.recorded_at := clock_timestamp();
      event.previous_hash := head.hash;
      event.hash := encode(sha256(convert_to(audit_text(event), 'UTF8')), 'hex');
      insert into audit_log select event.*;
      select event.position, event.hash into head;
      append_audit_entries.position := event.position;
    end if;
    return next;
  end loop;
end $$;

create or replace function remove_audit_entries(p_before timestamptz, p_limit integer) returns integer
language plpgsql set audit_log.removes = 'on' as $$
declare
  last_removed bigint;
  removed integer;
begin
  perform from audit_anchor for update;
  select max(position) into last_removed from (
    select position, bool_and(recorded_at < p_before) over (order by position) as is_old
    from audit_log order by position limit p_limit) oldest
  where is_old;
  if last_removed is null then
    return 0;
  end if;
  update audit_anchor set (position, hash) = (select position, hash from audit_log where position = last_removed);
  delete from audit_log where position <= last_removed;
  get diagnostics removed = row_count;
  return removed;
end $$;

do $$
declare
  entry regprocedure;
begin
  foreach entry in array array['append_audit_entries(jsonb)', 'remove_audit_entries(timestamptz, integer)']::regprocedure[]
  loop
    execute format('alter function %s security definer set search_path = %I, pg_temp', entry, current_schema());
  end loop;
end $$;
drop function record_audit_removal, append_audit_entry, lock_audit_head;
drop table audit_retention;
