-- Up Migration

-- As before, but an event whose id has an entry already, and which says something else than that entry, is put on record in an
-- entry of its own, `audit_log.event_differs`, once for each thing that it says: its body names the entry, and holds the event.
create or replace function append_audit_entries(p_events jsonb) returns table (event_id uuid, "position" bigint)
language plpgsql as $$
declare
  head audit_anchor := lock_audit_head();
  event audit_log;
  known audit_log;
  difference audit_log;
begin
  for event in
    select given.* from jsonb_array_elements(p_events) with ordinality as each (value, place),
      jsonb_populate_record(null::audit_log, each.value) as given order by place
  loop
    if starts_with(event.type, 'audit_log.') then
      raise exception 'An event of the type % is none of the bus: only the audit log itself writes such entries', event.type
        using errcode = 'check_violation', constraint = 'audit_log_types_of_its_own';
    end if;
    event_id := event.event_id;
    select l.* into known from audit_log l where l.event_id = event.event_id;
    if not found then
      head := append_audit_entry(head, event);
      append_audit_entries.position := head.position;
      return next;
      continue;
    end if;
    append_audit_entries.position := known.position;
    -- What the chain adds to an event is not compared.
    event.position := known.position;
    event.recorded_at := known.recorded_at;
    event.previous_hash := known.previous_hash;
    event.hash := known.hash;
    if event is distinct from known then
      difference := event;
      difference.type := 'audit_log.event_differs';
      -- Made of what the event says, so that a repeat of it is one as well.
      difference.event_id := left(encode(sha256(convert_to(audit_text(event), 'UTF8')), 'hex'), 32)::uuid;
      difference.body := jsonb_build_object('position', known.position, 'event_id', event.event_id, 'type', event.type,
        'body', event.body)::text;
      if not exists (select from audit_log l where l.event_id = difference.event_id) then
        head := append_audit_entry(head, difference);
      end if;
    end if;
    return next;
  end loop;
end $$;

do $$
begin
  execute format('alter function append_audit_entries(jsonb) security definer set search_path = %I, pg_temp',
    current_schema());
end $$;

-- Down Migration

-- The entries stay, as every entry does. The function of 0019 stays replaced, too: it would drop such events without a word.
select 1;
