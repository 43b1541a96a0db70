-- Up Migration

create table agents (
  id uuid primary key default gen_random_uuid(),
  name text not null check (name <> ''),
  version text not null check (version <> ''),
  capabilities jsonb not null default '[]'
    constraint agents_capabilities_are_texts check (
      jsonb_typeof(capabilities) = 'array'
      and not jsonb_path_exists(capabilities, 'strict $[*] ? (@.type() != "string")')),
  -- What a runtime needs to run the agent; its schema is contracts/runtime-spec.ts.
  runtime jsonb not null check (jsonb_typeof(runtime) = 'object'),
  retired_at timestamptz check (isfinite(retired_at)),
  sequence bigint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);

create function agents_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.sequence := next_sequence_without_row(new.id);
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
  elsif new.id <> old.id then
    raise exception 'The id of an agent cannot change' using hint = 'Insert a new agent and retire this one.';
  else
    new.created_at := old.created_at;
    new.sequence := old.sequence;
    new.updated_at := old.updated_at;
    if new is distinct from old then
      new.sequence := old.sequence + 1;
      new.updated_at := clock_timestamp();
    end if;
  end if;
  return new;
end $$;

create trigger agents_version before insert or update on agents for each row execute function agents_version();

create function agents_notify() returns trigger language plpgsql set timezone = 'UTC' as $$
begin
  if tg_op = 'DELETE' then
    perform append_event('agents_notify', old.id, old.sequence + 1, 'delete', 'agents',
      to_jsonb(old) || jsonb_build_object('updated_at', clock_timestamp()));
  elsif tg_op = 'INSERT' or new is distinct from old then
    perform append_event('agents_notify', new.id, new.sequence, lower(tg_op), 'agents', to_jsonb(new));
  end if;
  return null;
end $$;

create trigger agents_notify after insert or update or delete on agents for each row execute function agents_notify();
create trigger agents_no_truncate before truncate on agents for each statement execute function refuse_truncate();

-- Down Migration
drop table agents;
drop function agents_notify, agents_version;
