-- Up Migration

-- One role per service, with what it needs and no more. They cannot log in until they are given passwords
-- (database/service-logins.ts); a login that is a member of one will do as well.
do $$
declare
  service text;
begin
  foreach service in array array['event_broker', 'agents_worker', 'user_backend', 'admin_backend'] loop
    begin
      if not exists (select from pg_roles where rolname = service) then
        execute format('create role %I nologin', service);
      end if;
    exception
      -- Roles are the server's: the migration of another of its databases may have come first.
      when duplicate_object or unique_violation then null;
      when insufficient_privilege then
        raise exception 'The role % is missing, and this login may not create roles', service
          using errcode = 'insufficient_privilege', hint = format('As an administrator: create role %I nologin', service);
    end;
    execute format('grant usage on schema %I to %I', current_schema(), service);
  end loop;
  execute format('revoke create on schema %I from public', current_schema());
end $$;

-- Whoever changes a row causes its event, and nobody writes one otherwise: what writes the log runs with the rights of
-- its owner. A trigger's function is revoked, too, because it would write events for any table that it is attached to.
-- The owner's functions look for tables in their own schema first: in a temporary one, their caller could put others.
do $$
declare
  restricted record;
begin
  for restricted in
    select p.oid::regprocedure as name, p.proname not in ('append_event', 'next_sequence_without_row') as is_entry
    from pg_proc p
    where p.pronamespace = current_schema()::regnamespace and p.proname in (
      'append_event', 'next_sequence_without_row', 'agents_version', 'agents_notify', 'instances_version',
      'instances_notify', 'record_instance_status', 'record_final_status')
  loop
    execute format('revoke execute on function %s from public', restricted.name);
    if restricted.is_entry then
      execute format('alter function %s security definer set search_path = %I, pg_temp',
        restricted.name, current_schema());
    end if;
  end loop;
end $$;

grant select, update (position, published_at, rejected_reason) on event_log to event_broker;

grant select on instances, agents, event_log to agents_worker;
grant execute on function record_instance_status, record_final_status to agents_worker;

grant select, insert (id, agent_id, user_id, config, desired_state, metadata),
  update (agent_id, config, desired_state), delete on instances to user_backend;
-- Not `runtime`, which may hold secrets.
grant select (id, name, version, capabilities, retired_at, drain, sequence, created_at, updated_at) on agents
  to user_backend;
-- The entries of agents hold it, too: here it is empty, so that they still are of the documented form.
create view event_history as
  select id, event_id, entity_id, sequence, correlation_id, causation_id, traceparent, occurred_at, published_at,
    rejected_reason, position, user_id,
    -- Not to be written anew, with up to 4 MiB of config, where it is an instance's.
    case when user_id is null then jsonb_set(notification, '{row_data,runtime}', '{}', false) else notification end
      as notification
  from event_log;
grant select on event_history, agent_runtimes to user_backend;
grant select, insert, update, delete on idempotency_keys to user_backend;

grant select, insert (id, name, version, capabilities, runtime, retired_at, drain),
  update (id, name, version, capabilities, runtime, retired_at, drain) on agents to admin_backend;
grant select on instances, event_log to admin_backend;

-- Down Migration

-- The roles stay: other databases of the server may use them.
do $$
declare
  restricted record;
begin
  for restricted in
    select p.oid::regprocedure as name from pg_proc p
    where p.pronamespace = current_schema()::regnamespace and p.proname in (
      'append_event', 'next_sequence_without_row', 'agents_version', 'agents_notify', 'instances_version',
      'instances_notify', 'record_instance_status', 'record_final_status')
  loop
    execute format('grant execute on function %s to public', restricted.name);
    execute format('alter function %s security invoker reset search_path', restricted.name);
  end loop;
  execute format('revoke all on all tables in schema %1$I from event_broker, agents_worker, user_backend, admin_backend',
    current_schema());
  execute format('revoke usage on schema %1$I from event_broker, agents_worker, user_backend, admin_backend',
    current_schema());
end $$;
revoke execute on function record_instance_status, record_final_status from agents_worker;
drop view event_history;
