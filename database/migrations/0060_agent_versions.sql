-- Up Migration

-- The versions of each agent, as they were published. A version never changes, but it can be withdrawn. Like agents.runtime, `runtime`
-- may hold secrets.
create table agent_versions (
  agent_id uuid not null references agents on delete cascade,
  version text not null,
  capabilities jsonb not null,
  runtime jsonb not null,
  published_at timestamptz not null default clock_timestamp(),
  withdrawn_at timestamptz,
  withdrawn_reason text check (withdrawn_reason is null or withdrawn_at is not null),
  primary key (agent_id, version)
);

-- What kind of runtime each version needs, for readers that may not see `runtime`.
create view agent_version_runtimes as select agent_id, version, runtime ->> 'kind' as runtime from agent_versions;

-- An index cannot hold more.
do $$
declare
  too_long uuid := (select a.id from agents a where octet_length(a.version) > 1024 order by a.id limit 1);
begin
  if too_long is not null then
    raise exception 'The version of the agent % has more than 1024 bytes', too_long
      using errcode = 'check_violation', constraint = 'agents_version_at_most_1_kib', hint = 'Give the agent a shorter version before.';
  end if;
end $$;
alter table agents add constraint agents_version_at_most_1_kib check (octet_length(version) <= 1024);

-- `version`, `capabilities` and `runtime` of an agent are its newest publication. New instances get the stable version.
alter table agents
  add column stable_version text,
  -- The strategy of the rollout that each new version begins; null where rollouts are begun by hand.
  add column rollout jsonb check (jsonb_typeof(rollout) = 'object')
    constraint agents_rollout_at_most_64_kib check (octet_length(rollout::text) <= 65536);

alter table instances
  -- The version that the instance is to run. Null until there is one: the agent was not published yet.
  add column agent_version text,
  -- The version that runs.
  add column running_version text,
  -- Whether rollouts change agent_version.
  add column version_policy text not null default 'follow' check (version_policy in ('follow', 'hold')),
  -- When `status` last changed.
  add column status_changed_at timestamptz,
  -- The sequence of the row with the last status that agents_worker wrote; 0 before any. It is no part of the row's version: neither a
  -- version nor an event comes of it.
  add column status_sequence bigint not null default 0;

-- No trigger sees this: those of instances name their columns, and the new ones are added below.
insert into agent_versions (agent_id, version, capabilities, runtime, published_at)
  select a.id, a.version, a.capabilities, a.runtime, a.updated_at from agents a;
alter table agents disable trigger user;
update agents set stable_version = version;
alter table agents enable trigger user;
update instances i set status_changed_at = i.updated_at,
  agent_version = (select a.version from agents a where a.id = i.agent_id),
  running_version = (select a.version from agents a where a.id = i.agent_id and i.status = 'running');
alter table instances alter column status_changed_at set default clock_timestamp(), alter column status_changed_at set not null;

create function keep_agent_versions() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    raise exception 'TRUNCATE agent_versions would take instances what they run' using hint = 'Withdraw single versions.';
  elsif tg_op = 'DELETE' then
    -- The versions of an agent that is deleted are removed by the trigger of the foreign key.
    if pg_trigger_depth() = 1 then
      raise exception 'A version of an agent cannot be deleted' using hint = 'Withdraw it.';
    end if;
    return old;
  elsif (new.agent_id, new.version, new.capabilities, new.runtime, new.published_at)
      is distinct from (old.agent_id, old.version, old.capabilities, old.runtime, old.published_at) then
    raise exception 'A version of an agent cannot change'
      using errcode = 'check_violation', constraint = 'agent_versions_are_immutable', hint = 'Publish it under another version.';
  elsif old.withdrawn_at is not null
      and (new.withdrawn_at, new.withdrawn_reason) is distinct from (old.withdrawn_at, old.withdrawn_reason) then
    raise exception 'The version % is withdrawn already', left(old.version, 100)
      using errcode = 'check_violation', constraint = 'agent_version_is_withdrawn', hint = 'Publish another version.';
  elsif old.withdrawn_at is null and new.withdrawn_at is not null then
    perform from agents a where a.id = old.agent_id and a.stable_version = old.version;
    if found then
      raise exception 'The version % is the stable version of its agent', left(old.version, 100)
        using errcode = 'check_violation', constraint = 'agent_version_is_stable', hint = 'Make another version the stable one before.';
    end if;
  end if;
  return new;
end $$;
create trigger agent_versions_kept before update or delete on agent_versions for each row execute function keep_agent_versions();
create trigger agent_versions_no_truncate before truncate on agent_versions for each statement execute function keep_agent_versions();

-- Makes the version of each publication. A change of stable_version is an act of a rollout.
create function agents_publication() returns trigger language plpgsql as $$
declare
  known agent_versions;
begin
  if tg_op = 'INSERT'
      or (new.version, new.capabilities, new.runtime) is distinct from (old.version, old.capabilities, old.runtime) then
    insert into agent_versions (agent_id, version, capabilities, runtime)
      values (new.id, new.version, new.capabilities, new.runtime) on conflict (agent_id, version) do nothing;
    if not found then
      select * into known from agent_versions v where v.agent_id = new.id and v.version = new.version for share;
      if (known.capabilities, known.runtime) is distinct from (new.capabilities, new.runtime) then
        raise exception 'The version % of the agent was published before with another runtime or other capabilities', left(new.version, 100)
          using errcode = 'check_violation', constraint = 'agent_versions_are_immutable', hint = 'Publish it under another version.';
      elsif known.withdrawn_at is not null then
        raise exception 'The version % of the agent is withdrawn', left(new.version, 100)
          using errcode = 'check_violation', constraint = 'agent_version_is_withdrawn', hint = 'Publish another version.';
      end if;
    end if;
  end if;
  if tg_op = 'UPDATE' and new.stable_version is distinct from old.stable_version then
    -- Waits for the instances that have chosen a version, and has transactions repeated that could not see the new one.
    update agent_versions v set withdrawn_at = v.withdrawn_at where v.agent_id = new.id;
    select * into known from agent_versions v where v.agent_id = new.id and v.version = new.stable_version;
    if not found then
      raise exception 'There is no version % of the agent that could be its stable one', coalesce(left(new.stable_version, 100), 'null')
        using errcode = 'check_violation', constraint = 'agents_stable_version_exists';
    elsif known.withdrawn_at is not null then
      raise exception 'The version % of the agent is withdrawn', left(new.stable_version, 100)
        using errcode = 'check_violation', constraint = 'agents_stable_version_is_not_withdrawn';
    end if;
  end if;
  return null;
end $$;
create trigger agents_publication after insert or update of version, capabilities, runtime, stable_version on agents
  for each row execute function agents_publication();

create or replace function agents_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.sequence := first_sequence(new.id);
    new.stable_version := new.version;
    perform refuse_long_numbers(new.rollout, 65536, 'rollout', 'agents_rollout_at_most_64_kib');
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
  elsif new.id <> old.id then
    raise exception 'The id of an agent cannot change' using hint = 'Insert a new agent and retire this one.';
  else
    if current_setting('events.renumbers', true) <> '' then
      if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
        return new;
      end if;
    end if;
    if new.rollout is distinct from old.rollout then
      perform refuse_long_numbers(new.rollout, 65536, 'rollout', 'agents_rollout_at_most_64_kib');
    end if;
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

-- The version that an instance is to run: the wanted one, or else the stable one of its agent; null while the agent is not published.
-- The row of the version is locked, and not that of the agent: nobody who changes the agent otherwise has to wait. Whoever changes the
-- stable version waits for all that have chosen a version, and sees them.
create function choose_version(p_agent_id uuid, p_wanted text) returns text language plpgsql as $$
declare
  stable text;
  withdrawn timestamptz;
begin
  if p_wanted is not null then
    select v.withdrawn_at into withdrawn from agent_versions v
      where v.agent_id = p_agent_id and v.version = p_wanted for share;
    if not found then
      raise exception 'There is no version % of the agent %', left(p_wanted, 100), p_agent_id
        using errcode = 'check_violation', constraint = 'instances_agent_version_exists', hint = 'Choose a version that was published.';
    elsif withdrawn is not null then
      raise exception 'The version % of the agent % is withdrawn', left(p_wanted, 100), p_agent_id
        using errcode = 'check_violation', constraint = 'instances_agent_version_is_not_withdrawn', hint = 'Choose another version.';
    end if;
    return p_wanted;
  end if;
  loop
    select a.stable_version into stable from agents a where a.id = p_agent_id;
    exit when stable is null;
    perform from agent_versions v where v.agent_id = p_agent_id and v.version = stable for share;
    -- Another version may have become the stable one before the lock was had.
    exit when stable is not distinct from (select a.stable_version from agents a where a.id = p_agent_id);
  end loop;
  return stable;
end $$;

-- Whether an update gives an instance nothing but the stable version of its agent, because the instance has no version, or has one of an
-- earlier agent of this id. Nothing new is wanted then.
create function is_pinning(p_old instances, p_new instances) returns boolean language plpgsql as $$
declare
  pinned instances := p_old;
begin
  pinned.agent_version := p_new.agent_version;
  return p_new.agent_version is not null and p_new.agent_version is distinct from p_old.agent_version
    and p_new is not distinct from pinned
    and not exists (select from agent_versions v where v.agent_id = p_old.agent_id and v.version = p_old.agent_version)
    and exists (select from agents a where a.id = p_new.agent_id and a.stable_version = p_new.agent_version);
end $$;

-- Keeps what no client may choose: versions of the row, times, and the state in which a row begins.
create or replace function instances_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.status := 'pending';
    new.running_version := null;
    new.agent_version := choose_version(new.agent_id, new.agent_version);
    new.sequence := first_sequence(new.id);
    -- 1, or more than any generation of an earlier row of this id: a higher generation is always a later wish, and a
    -- status of an earlier row is stale.
    new.generation := new.sequence;
    new.observed_generation := new.generation - 1;
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
    new.status_changed_at := new.created_at;
    return new;
  end if;
  if new.id <> old.id then
    raise exception 'The id of an instance cannot change' using hint = 'Insert a new instance and delete this one.';
  end if;
  if current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return new;
    end if;
  end if;
  new.created_at := old.created_at;
  new.updated_at := old.updated_at;
  new.status_changed_at := old.status_changed_at;
  new.sequence := old.sequence;
  new.generation := old.generation;
  if new.agent_id <> old.agent_id or new.agent_version is distinct from old.agent_version then
    -- A version of one agent says nothing about another agent.
    new.agent_version := choose_version(new.agent_id,
      case when new.agent_id = old.agent_id or new.agent_version is distinct from old.agent_version then new.agent_version end);
    if is_pinning(old, new) then
      return new;
    end if;
  end if;
  if (new.agent_id, new.config, new.desired_state, new.agent_version)
      is distinct from (old.agent_id, old.config, old.desired_state, old.agent_version) then
    new.generation := old.generation + 1;
  end if;
  if new is distinct from old then
    new.sequence := old.sequence + 1;
    new.updated_at := clock_timestamp();
    if new.status <> old.status then
      new.status_changed_at := new.updated_at;
    end if;
  end if;
  return new;
end $$;

create or replace function instances_notify() returns trigger language plpgsql as $$
declare
  row_data jsonb;
  due bigint;
begin
  if tg_op = 'DELETE' then
    perform append_event('instances_notify', old.id, old.sequence + 1, 'delete', 'instances',
      to_jsonb(old) - 'config' || jsonb_build_object('updated_at', clock_timestamp()));
    return null;
  end if;
  if tg_op = 'INSERT' then
    -- The id is taken now. Whoever had it has ended, perhaps after first_sequence looked.
    due := next_sequence_without_row(new.id);
    if new.sequence <> due then
      perform set_config('events.renumbers', new.id::text, true);
      new.sequence := due;
      new.generation := due;
      new.observed_generation := due - 1;
      update instances i set sequence = due, generation = due, observed_generation = due - 1 where i.id = new.id;
      perform set_config('events.renumbers', '', true);
    end if;
  elsif new.sequence = old.sequence then
    -- Nothing changed, or nothing that is an event.
    return null;
  elsif current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return null;
    end if;
  end if;
  row_data := to_jsonb(new);
  -- A status change need not repeat a config of megabytes.
  if tg_op = 'UPDATE' and new.config = old.config then
    row_data := row_data - 'config';
  end if;
  perform append_event('instances_notify', new.id, new.sequence, lower(tg_op), 'instances', row_data);
  return null;
end $$;

-- Versions and events of a row come of changes of these columns: all but host_id.
drop trigger instances_version on instances;
drop trigger instances_notify on instances;
create trigger instances_version before insert or update of id, agent_id, user_id, config, desired_state, generation, status,
  observed_generation, metadata, sequence, created_at, updated_at, agent_version, running_version, version_policy, status_changed_at
  on instances for each row execute function instances_version();
create trigger instances_notify after insert or delete or update of id, agent_id, user_id, config, desired_state, generation, status,
  observed_generation, metadata, sequence, created_at, updated_at, agent_version, running_version, version_policy, status_changed_at
  on instances for each row execute function instances_notify();

-- Gives an instance without a version the stable version of its agent, without a generation or an event. A version of an earlier agent of
-- the same id counts as none. Returns the version that the instance is to run: null while its agent is not published, or without a row.
create function pin_version(p_instance_id uuid) returns text language plpgsql as $$
declare
  pinned instances;
  stable text;
begin
  select * into pinned from instances i where i.id = p_instance_id for update;
  if exists (select from agent_versions v where v.agent_id = pinned.agent_id and v.version = pinned.agent_version) then
    return pinned.agent_version;
  end if;
  stable := choose_version(pinned.agent_id, null);
  update instances i set agent_version = stable where i.id = p_instance_id and stable is not null;
  return stable;
end $$;

drop function record_instance_status(uuid, text, bigint, jsonb, jsonb);

-- The only way in which the engine writes to an instance. Repeating a call changes nothing and emits nothing.
--   recorded    the row now says p_status
--   unchanged   it said so already
--   stale       the row reports a newer generation; nothing was written
--   superseded  a status was written after p_known_sequence; nothing was written. A worker that was suspended, and whose step another
--               worker has taken since, writes too late.
--   gone        the row was deleted; nothing was written
-- p_known_sequence is the sequence of the row that the caller read last; null: the caller does not say, as releases before did not.
-- The other columns are the row as it is after the call: null when it is gone.
create function record_instance_status(
  p_instance_id uuid, p_status text, p_generation bigint, p_reason jsonb, p_cause jsonb, p_known_sequence bigint default null
) returns table (outcome text, sequence bigint, generation bigint, desired_state text)
language plpgsql as $$
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
  elsif p_known_sequence < current_row.status_sequence then
    outcome := 'superseded';
  else
    update instances i set status = p_status, observed_generation = p_generation, metadata = new_metadata,
      running_version = case
        when p_status in ('stopped', 'failed') then null
        when p_status = 'running' and p_generation = i.generation then i.agent_version
        else i.running_version end,
      -- The version that this update makes.
      status_sequence = i.sequence + 1
      where i.id = p_instance_id returning i.* into current_row;
    outcome := 'recorded';
  end if;
  return query select outcome, current_row.sequence, current_row.generation, current_row.desired_state;
end $$;

-- As before, and no version runs any more.
create or replace function record_final_status(p_instance_id uuid, p_cause jsonb)
returns table (sequence bigint, generation bigint, desired_state text)
language plpgsql as $$
declare
  next_sequence bigint := next_sequence_without_row(p_instance_id);
  -- From here and not from the log, whose entries may have been removed.
  last_row jsonb := (select d.row_data from deleted_entities d where d.entity_id = p_instance_id);
begin
  perform set_event_cause(p_cause);
  return query select i.sequence, i.generation, i.desired_state from instances i where i.id = p_instance_id;
  if found or last_row is null then
    return;
  end if;
  perform append_event('instances_notify', p_instance_id, next_sequence, 'update', 'instances',
    last_row || jsonb_build_object(
      'status', 'stopped',
      'sequence', next_sequence,
      'observed_generation', last_row -> 'generation',
      'metadata', (last_row -> 'metadata') - 'status_reason',
      'running_version', null,
      'host_id', (select p.host_id from placements p where p.instance_id = p_instance_id),
      'updated_at', clock_timestamp()));
end $$;

call secure_functions(
  array['keep_agent_versions()', 'agents_publication()', 'agents_version()', 'instances_version()', 'instances_notify()',
    'pin_version(uuid)', 'record_instance_status(uuid, text, bigint, jsonb, jsonb, bigint)', 'record_final_status(uuid, jsonb)']::regprocedure[],
  array['choose_version(uuid, text)', 'is_pinning(instances, instances)']::regprocedure[]);

grant execute on function pin_version, record_instance_status to agents_worker;
grant select on agent_versions to agents_worker, admin_backend;
grant select (agent_id, version, capabilities, published_at, withdrawn_at, withdrawn_reason) on agent_versions to user_backend;
grant select on agent_version_runtimes to user_backend, admin_backend;
grant select (stable_version) on agents to user_backend;
grant insert (agent_version, version_policy), update (agent_version, version_policy) on instances to user_backend;
grant insert (rollout), update (rollout) on agents to admin_backend;

-- Down Migration
drop trigger agents_publication on agents;
drop trigger instances_version on instances;
drop trigger instances_notify on instances;
drop function pin_version, is_pinning, choose_version, agents_publication;
drop view agent_version_runtimes;
drop table agent_versions;
drop function keep_agent_versions;
alter table agents drop constraint agents_version_at_most_1_kib, drop column stable_version, drop column rollout;
alter table instances drop column agent_version, drop column running_version, drop column version_policy, drop column status_changed_at,
  drop column status_sequence;
create trigger instances_version before insert or update of id, agent_id, user_id, config, desired_state, generation, status,
  observed_generation, metadata, sequence, created_at, updated_at on instances for each row execute function instances_version();
create trigger instances_notify after insert or delete or update of id, agent_id, user_id, config, desired_state, generation, status,
  observed_generation, metadata, sequence, created_at, updated_at on instances for each row execute function instances_notify();

create or replace function agents_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.sequence := first_sequence(new.id);
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
  elsif new.id <> old.id then
    raise exception 'The id of an agent cannot change' using hint = 'Insert a new agent and retire this one.';
  else
    if current_setting('events.renumbers', true) <> '' then
      if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
        return new;
      end if;
    end if;
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

create or replace function instances_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    new.status := 'pending';
    new.sequence := first_sequence(new.id);
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
  if current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return new;
    end if;
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

create or replace function instances_notify() returns trigger language plpgsql as $$
declare
  row_data jsonb;
  due bigint;
begin
  if tg_op = 'DELETE' then
    perform append_event('instances_notify', old.id, old.sequence + 1, 'delete', 'instances',
      to_jsonb(old) - 'config' || jsonb_build_object('updated_at', clock_timestamp()));
    return null;
  end if;
  if tg_op = 'INSERT' then
    -- The id is taken now. Whoever had it has ended, perhaps after first_sequence looked.
    due := next_sequence_without_row(new.id);
    if new.sequence <> due then
      perform set_config('events.renumbers', new.id::text, true);
      new.sequence := due;
      new.generation := due;
      new.observed_generation := due - 1;
      update instances i set sequence = due, generation = due, observed_generation = due - 1 where i.id = new.id;
      perform set_config('events.renumbers', '', true);
    end if;
  elsif new is not distinct from old then
    return null;
  elsif current_setting('events.renumbers', true) <> '' then
    if is_renumbering(new.id, to_jsonb(old), to_jsonb(new)) then
      return null;
    end if;
  end if;
  row_data := to_jsonb(new);
  -- A status change need not repeat a config of megabytes.
  if tg_op = 'UPDATE' and new.config = old.config then
    row_data := row_data - 'config';
  end if;
  perform append_event('instances_notify', new.id, new.sequence, lower(tg_op), 'instances', row_data);
  return null;
end $$;

drop function record_instance_status;
create function record_instance_status(
  p_instance_id uuid, p_status text, p_generation bigint, p_reason jsonb, p_cause jsonb
) returns table (outcome text, sequence bigint, generation bigint, desired_state text)
language plpgsql as $$
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

create or replace function record_final_status(p_instance_id uuid, p_cause jsonb)
returns table (sequence bigint, generation bigint, desired_state text)
language plpgsql as $$
declare
  next_sequence bigint := next_sequence_without_row(p_instance_id);
  -- From here and not from the log, whose entries may have been removed.
  last_row jsonb := (select d.row_data from deleted_entities d where d.entity_id = p_instance_id);
begin
  perform set_event_cause(p_cause);
  return query select i.sequence, i.generation, i.desired_state from instances i where i.id = p_instance_id;
  if found or last_row is null then
    return;
  end if;
  perform append_event('instances_notify', p_instance_id, next_sequence, 'update', 'instances',
    last_row || jsonb_build_object(
      'status', 'stopped',
      'sequence', next_sequence,
      'observed_generation', last_row -> 'generation',
      'metadata', (last_row -> 'metadata') - 'status_reason',
      'host_id', (select p.host_id from placements p where p.instance_id = p_instance_id),
      'updated_at', clock_timestamp()));
end $$;

call secure_functions(
  array['agents_version()', 'instances_version()', 'instances_notify()',
    'record_instance_status(uuid, text, bigint, jsonb, jsonb)', 'record_final_status(uuid, jsonb)']::regprocedure[],
  array[]::regprocedure[]);
grant execute on function record_instance_status to agents_worker;
