-- Up Migration

-- As before, but where the snapshot of the transaction is older than the newest entry, as it may be at repeatable read, the position
-- that it gives is taken: the error asks to repeat the transaction, like any other of that kind.
create or replace function append_audit_entry(p_head audit_anchor, p_entry audit_log) returns audit_anchor language plpgsql as $$
begin
  p_entry.position := p_head.position + 1;
  p_entry.recorded_at := clock_timestamp();
  p_entry.previous_hash := p_head.hash;
  p_entry.hash := encode(sha256(convert_to(audit_text(p_entry), 'UTF8')), 'hex');
  insert into audit_log select p_entry.* on conflict ("position") do nothing;
  if not found then
    raise exception 'Another transaction wrote entry % of the audit log at the same time', p_entry.position
      using errcode = 'serialization_failure', hint = 'Repeat the transaction.';
  end if;
  return row(true, p_entry.position, p_entry.hash)::audit_anchor;
end $$;
do $$
begin
  execute format('alter function append_audit_entry(audit_anchor, audit_log) set search_path = %I, pg_temp', current_schema());
end $$;

-- Down Migration
create or replace function append_audit_entry(p_head audit_anchor, p_entry audit_log) returns audit_anchor language plpgsql as $$
begin
  p_entry.position := p_head.position + 1;
  p_entry.recorded_at := clock_timestamp();
  p_entry.previous_hash := p_head.hash;
  p_entry.hash := encode(sha256(convert_to(audit_text(p_entry), 'UTF8')), 'hex');
  insert into audit_log select p_entry.*;
  return row(true, p_entry.position, p_entry.hash)::audit_anchor;
end $$;
do $$
begin
  execute format('alter function append_audit_entry(audit_anchor, audit_log) set search_path = %I, pg_temp', current_schema());
end $$;
