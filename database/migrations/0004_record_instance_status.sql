-- Up Migration

-- Says for the rest of the transaction what its events belong to: {event_id, correlation_id, traceparent} of the event
-- that led to them, or null.
create function set_event_cause(p_cause jsonb) returns void language plpgsql as $$
begin
  perform set_config('events.causation_id', coalesce(p_cause ->> 'event_id', ''), true),
    set_config('events.correlation_id', coalesce(p_cause ->> 'correlation_id', ''), true),
    set_config('events.traceparent', coalesce(p_cause ->> 'traceparent', ''), true);
end $$;

-- The only way in which the engine writes to an instance. Repeating a call changes nothing and emits nothing.
--   recorded   the row now says p_status
--   unchanged  it said so already
--   stale      the row reports a newer generation; nothing was written
--   gone       the row was deleted; nothing was written
-- The other columns are the row as it is after the call: null when it is gone.
create function record_instance_status(
  p_instance_id uuid, p_status text, p_generation bigint, p_reason jsonb, p_cause jsonb
) returns table (outcome text, sequence bigint, generation bigint, desired_state text)
language plpgsql set timezone = 'UTC' as $$
declare
  current_row instances;
  new_metadata jsonb;
begin
  perform set_event_cause(p_cause);
  select * into current_row from instances i where i.id = p_instance_id for update;
  if not found then
    return query select 'gone', null::bigint, null::bigint, null::text;
    return;
  end if;

  new_metadata := current_row.metadata - 'status_reason';
  if p_reason is not null then
    new_metadata := new_metadata || jsonb_build_object('status_reason', p_reason);
  end if;

  if current_row.observed_generation > p_generation then
    outcome := 'stale';
  elsif (current_row.status, current_row.observed_generation, current_row.metadata)
      is not distinct from (p_status, p_generation, new_metadata) then
    outcome := 'unchanged';
  else
    update instances i set status = p_status, observed_generation = p_generation, metadata = new_metadata
      where i.id = p_instance_id returning i.* into current_row;
    outcome := 'recorded';
  end if;
  return query select outcome, current_row.sequence, current_row.generation, current_row.desired_state;
end $$;

-- Appends the last event of an instance whose row was deleted, with status `stopped`: once, however often it is called.
-- Returns the row where there is one (again): nothing was written then.
create function record_final_status(p_instance_id uuid, p_cause jsonb)
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

-- Down Migration
drop function record_instance_status, record_final_status, set_event_cause;
