-- Up Migration

create table instances (
  id uuid primary key default gen_random_uuid(),
  -- Not a foreign key: an instance may be asked for before its agent is published.
  agent_id uuid not null,
  user_id uuid not null,
  config jsonb not null default '{}'
    check (jsonb_typeof(config) = 'object')
    constraint instances_config_at_most_4_mib check (octet_length(config::text) <= 4194304),
  desired_state text not null default 'running' check (desired_state in ('running', 'stopped')),
  -- Counts the changes of what is wanted: agent_id, config, desired_state.
  generation bigint not null default 1,
  status text not null default 'pending' check (status in ('pending', 'running', 'failed', 'stopped')),
  -- The generation that status speaks of.
  observed_generation bigint not null default 0,
  metadata jsonb not null default '{}'
    check (jsonb_typeof(metadata) = 'object')
    -- The engine's own entry comes on top: a full row can still be told that it failed.
    constraint instances_metadata_at_most_64_kib check (octet_length((metadata - 'status_reason')::text) <= 65536),
  sequence bigint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);

create index instances_by_user on instances (user_id, created_at);
create index instances_by_agent on instances (agent_id);

-- Keeps what no client may choose: versions, times, and the state in which a row begins.
create function instances_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.status := 'pending';
    new.sequence := next_sequence_without_row(new.id);
    -- 1, or more than any generation of an earlier row of this id: a higher generation is always a later wish, and a
    -- status of an earlier row is stale.
    new.generation := new.sequence;
    new.observed_generation := new.generation - 1;
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
    return new;
  end if;
  if new.id <> old.id then
    raise exception 'The id of an instance cannot change' using hint = 'Insert a new instance and delete this one.';
  end if;
  new.created_at := old.created_at;
  new.updated_at := old.updated_at;
  new.sequence := old.sequence;
  new.generation := old.generation;
  if (new.agent_id, new.config, new.desired_state) is distinct from (old.agent_id, old.config, old.desired_state) then
    new.generation := old.generation + 1;
  end if;
  if new is distinct from old then
    new.sequence := old.sequence + 1;
    new.updated_at := clock_timestamp();
  end if;
  return new;
end $$;

create trigger instances_version before insert or update on instances
  for each row execute function instances_version();

create function instances_notify() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
  row_data jsonb;
begin
  if tg_op = 'DELETE' then
    perform append_event('instances_notify', old.id, old.sequence + 1, 'delete', 'instances',
      to_jsonb(old) - 'config' || jsonb_build_object('updated_at', clock_timestamp()));
    return null;
  end if;
  if tg_op = 'UPDATE' and new is not distinct from old then
    return null;
  end if;
  row_data := to_jsonb(new);
  -- A status change need not repeat a config of megabytes.
  if tg_op = 'UPDATE' and new.config = old.config then
    row_data := row_data - 'config';
  end if;
  perform append_event('instances_notify', new.id, new.sequence, lower(tg_op), 'instances', row_data);
  return null;
end $$;

create trigger instances_notify after insert or update or delete on instances
  for each row execute function instances_notify();
create trigger instances_no_truncate before truncate on instances for each statement execute function refuse_truncate();

-- Down Migration
drop table instances;
drop function instances_notify, instances_version;
