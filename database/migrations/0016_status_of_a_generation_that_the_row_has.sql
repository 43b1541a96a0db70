-- Up Migration

-- As before, but a status of a generation that the row does not have, or no longer has, is stale. Such a generation was
-- remembered from before a backup of the row was restored, or came from a false event. Had it been written, every later
-- change of the row would have counted as observed already.
create or replace function record_instance_status(
  p_instance_id uuid, p_status text, p_generation bigint, p_reason jsonb, p_cause jsonb
) returns table (outcome text, sequence bigint, generation bigint, desired_state text)
language plpgsql security definer set timezone = 'UTC' as $$
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

  if p_generation > current_row.generation
      -- An observed generation that the row does not have says nothing.
      or current_row.observed_generation between p_generation + 1 and current_row.generation then
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

-- Replacing a function drops its search path (0010).
do $$
begin
  execute format('alter function record_instance_status set search_path = %I, pg_temp', current_schema());
end $$;

-- Down Migration

-- The version before is kept by 0004; going back leaves this one in its place, which differs for impossible rows alone.
select 1;
