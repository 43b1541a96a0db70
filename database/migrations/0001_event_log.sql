-- Up Migration

-- Every change of an observed row, written in the transaction that made it. The broker publishes what is not published.
create table event_log (
  id bigint generated always as identity primary key,
  event_id uuid not null default gen_random_uuid() unique,
  entity_id uuid not null,
  -- One sequence per entity, contiguous from 1, taken under the lock of its row: its order is commit order.
  sequence bigint not null,
  -- The documented JSON of the trigger: {schema_version, event_type, table, row_data}.
  notification jsonb not null,
  size_bytes integer not null,
  correlation_id uuid not null,
  causation_id uuid,
  traceparent text not null,
  occurred_at timestamptz not null default clock_timestamp(),
  published_at timestamptz,
  -- Why the broker cannot publish this entry; it then goes on with the next one.
  rejected_reason text,
  unique (entity_id, sequence)
);

create index event_log_unpublished on event_log (id) where published_at is null and rejected_reason is null;

-- Appends one event and wakes the broker. The writer may say what it belongs to with
-- `set local events.correlation_id`, `events.causation_id` and `events.traceparent`.
create function append_event(
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

-- The next number of an entity that has no row (yet, or any more); the lock stands in for the missing row's.
create function next_sequence_without_row(p_entity_id uuid) returns bigint language plpgsql as $$
begin
  -- A new id needs no lock, its primary key is one: a lock for each of tens of thousands of rows would be refused.
  if not exists (select from event_log where entity_id = p_entity_id) then
    return 1;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(p_entity_id::text, 0));
  return (select coalesce(max(sequence), 0) + 1 from event_log where entity_id = p_entity_id);
end $$;

create function refuse_truncate() returns trigger language plpgsql as $$
begin
  raise exception 'TRUNCATE % would end instances without cleaning them up', tg_table_name
    using hint = 'Use DELETE, which emits an event for every row.';
end $$;

-- Down Migration
drop function refuse_truncate, next_sequence_without_row, append_event;
drop table event_log;
