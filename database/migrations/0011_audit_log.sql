-- Up Migration

-- What happened, for good: one entry per event, each with a hash of itself and of the entry before. What the hash covers is
-- `audit_text`. How this is verified: backends/admin/audit/verify.ts.
create table audit_log (
  -- 1, 2, 3, … without a gap.
  position bigint primary key,
  event_id uuid not null unique,
  type text not null check (type ~ '^[a-z_]+(\.[a-z_]+)+$'),
  occurred_at timestamptz not null check (isfinite(occurred_at)),
  recorded_at timestamptz not null check (isfinite(recorded_at)),
  -- Null in the events of agents, as are user_id, desired_state and both generations.
  instance_id uuid,
  agent_id uuid not null,
  user_id uuid,
  sequence bigint not null,
  correlation_id uuid not null,
  causation_id uuid,
  schema_version integer not null,
  desired_state text check (desired_state in ('running', 'stopped')),
  generation bigint,
  observed_generation bigint,
  -- JSON as the event says it; of an `instance.created`, `config_sha256` stands for the config.
  body text not null,
  previous_hash text not null check (previous_hash ~ '^[0-9a-f]{64}$'),
  hash text not null check (hash ~ '^[0-9a-f]{64}$')
);

create index audit_log_by_instance on audit_log (instance_id, position) where instance_id is not null;
create index audit_log_by_agent on audit_log (agent_id, position);
create index audit_log_by_user on audit_log (user_id, position) where user_id is not null;
create index audit_log_by_type on audit_log (type, position);
create index audit_log_by_time on audit_log (occurred_at);

-- Where the chain begins: the last entry that retention removed. The lock of its one row orders all writers.
create table audit_anchor (
  only_row boolean primary key default true check (only_row),
  position bigint not null,
  hash text not null
);
insert into audit_anchor (position, hash) values (0, repeat('0', 64));

-- The lines that the hash of an entry is made of, SHA-256 over UTF-8, in hexadecimal. Times are in UTC with microseconds,
-- nulls are empty lines, and none but the last one, the body, can hold a line break.
create function audit_text(entry audit_log) returns text language sql stable as $$
  select array_to_string(array[
    'audit 1', entry.position::text, entry.event_id::text, entry.type,
    to_char(entry.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    to_char(entry.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    entry.instance_id::text, entry.agent_id::text, entry.user_id::text, entry.sequence::text,
    entry.correlation_id::text, entry.causation_id::text, entry.schema_version::text,
    entry.desired_state, entry.generation::text, entry.observed_generation::text,
    entry.previous_hash, entry.body], E'\n', '')
$$;

-- Appends events in their order, all of them or none: an array of objects with the columns from event_id to body, without
-- recorded_at. One that has an entry already changes nothing. Returns where each of them is.
create function append_audit_entries(p_events jsonb) returns table (event_id uuid, "position" bigint)
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

-- Removes the oldest entries, as far as all were recorded before that time, at most so many; returns their number. The
-- anchor then says what the rest follows.
create function remove_audit_entries(p_before timestamptz, p_limit integer) returns integer
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

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
  if tg_op in ('UPDATE', 'DELETE') and current_setting('audit_log.removes', true) = 'on'
      and (tg_table_name, tg_op) in (('audit_log', 'DELETE'), ('audit_anchor', 'UPDATE')) then
    return null;
  end if;
  raise exception '% % is refused: the audit log is append-only', tg_op, tg_table_name
    using errcode = 'insufficient_privilege', hint = 'Old entries are removed by AUDIT_RETENTION_DAYS of admin_backend.';
end $$;

create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_audit_change();
create trigger audit_anchor_append_only before insert or update or delete or truncate on audit_anchor
  for each statement execute function refuse_audit_change();

-- Whoever may append needs no right to write into the table. The functions look for tables in their own schema first: in
-- a temporary one, their caller could put others.
do $$
declare
  entry regprocedure;
begin
  foreach entry in array array['append_audit_entries(jsonb)', 'remove_audit_entries(timestamptz, integer)']::regprocedure[]
  loop
    execute format('revoke execute on function %s from public', entry);
    execute format('alter function %s security definer set search_path = %I, pg_temp', entry, current_schema());
    if exists (select from pg_roles where rolname = 'admin_backend') then
      execute format('grant execute on function %s to admin_backend', entry);
    end if;
  end loop;
  if exists (select from pg_roles where rolname = 'admin_backend') then
    grant select on audit_log, audit_anchor to admin_backend;
  end if;
end $$;

-- Down Migration
drop function remove_audit_entries, append_audit_entries;
drop function audit_text;
drop table audit_anchor, audit_log;
drop function refuse_audit_change;
