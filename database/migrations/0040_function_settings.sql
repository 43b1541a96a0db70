-- Up Migration

-- What our functions do depends on no setting of the session that calls them: a path with a schema of its own in front, say, would
-- lead the triggers to functions and tables of the caller. Whatever an entry point calls runs with the entry point's settings.
do $$
declare
  entry_points constant regprocedure[] := array['agents_version()', 'agents_notify()', 'agents_json()', 'instances_version()',
    'instances_notify()', 'instances_json()', 'event_log_removal()', 'refuse_truncate()', 'refuse_audit_change()',
    'set_event_cause(jsonb)', 'record_instance_status(uuid, text, bigint, jsonb, jsonb)', 'record_final_status(uuid, jsonb)',
    'append_audit_entries(jsonb)', 'remove_audit_entries(timestamptz, integer)', 'claim_engine(text, text, text)'];
  helpers constant regprocedure[] := array['append_event(text, uuid, bigint, text, text, jsonb)', 'next_sequence_without_row(uuid)',
    'first_sequence(uuid)', 'is_renumbering(uuid, jsonb, jsonb)', 'count_digits(numeric)', 'find_changed_number(jsonb)',
    'find_long_numbers(jsonb)', 'count_characters(jsonb)', 'refuse_unreadable_json(text, jsonb)',
    'refuse_long_numbers(jsonb, integer, text, text)', 'audit_text(audit_log)', 'lock_audit_head()',
    'append_audit_entry(audit_anchor, audit_log)', 'record_audit_removal(bigint, text)'];
  settings constant text[] := array['standard_conforming_strings = on', 'transform_null_equals = off', 'datestyle = ''ISO, MDY''',
    'intervalstyle = postgres', 'timezone = ''UTC''', 'extra_float_digits = 1'];
  ours regprocedure;
  setting text;
begin
  foreach ours in array entry_points || helpers loop
    execute format('alter function %s set search_path = %I, pg_temp', ours, current_schema());
  end loop;
  foreach ours in array entry_points loop
    foreach setting in array settings loop
      execute format('alter function %s set %s', ours, setting);
    end loop;
  end loop;
end $$;

-- Down Migration
do $$
declare
  ours record;
  setting text;
begin
  for ours in
    select p.oid::regprocedure as name, p.prosecdef as keeps_path,
      p.proname in ('append_event', 'agents_notify', 'instances_notify', 'record_instance_status', 'record_final_status') as keeps_time_zone,
      p.proname = 'find_changed_number' as keeps_digits
    from pg_proc p where p.pronamespace = current_schema()::regnamespace and p.proname in (
      'agents_version', 'agents_notify', 'agents_json', 'instances_version', 'instances_notify', 'instances_json',
      'event_log_removal', 'refuse_truncate', 'refuse_audit_change', 'set_event_cause', 'record_instance_status',
      'record_final_status', 'append_audit_entries', 'remove_audit_entries', 'claim_engine', 'append_event',
      'next_sequence_without_row', 'first_sequence', 'is_renumbering', 'count_digits', 'find_changed_number', 'find_long_numbers',
      'count_characters', 'refuse_unreadable_json', 'refuse_long_numbers', 'audit_text', 'lock_audit_head', 'append_audit_entry',
      'record_audit_removal')
  loop
    foreach setting in array array['standard_conforming_strings', 'transform_null_equals', 'datestyle', 'intervalstyle'] loop
      execute format('alter function %s reset %s', ours.name, setting);
    end loop;
    if not ours.keeps_time_zone then
      execute format('alter function %s reset timezone', ours.name);
    end if;
    if not ours.keeps_digits then
      execute format('alter function %s reset extra_float_digits', ours.name);
    end if;
    if not ours.keeps_path then
      execute format('alter function %s reset search_path', ours.name);
    end if;
  end loop;
end $$;
