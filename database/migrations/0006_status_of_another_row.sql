-- Up Migration

-- As before, and `stale` as well for a generation that the row has not come to: it is that of an earlier row of the same
-- id, and would keep every status of this one from being recorded.
create or replace function record_instance_status(
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

  if p_generation not between current_row.observed_generation and current_row.generation then
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

-- Down Migration
-- The function goes with 0004.
