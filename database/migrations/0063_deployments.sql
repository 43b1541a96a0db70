-- Up Migration

-- The role of the deployer (see 0010). It cannot log in until it is given a password.
do $$
begin
  begin
    if not exists (select from pg_roles where rolname = 'deployer') then
      create role deployer nologin;
    end if;
  exception
    -- Roles are the server's: the migration of another of its databases may have come first.
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
      raise exception 'The role deployer is missing, and this login may not create roles'
        using errcode = 'insufficient_privilege', hint = 'As an administrator: create role deployer nologin';
  end;
  execute format('grant usage on schema %I to deployer', current_schema());
end $$;

-- The deployment names of agents_worker, and how Temporal routes tasks to their builds, as the deployer last saw or set it.
create table worker_deployments (
  deployment_name text primary key
    constraint worker_deployments_name check (deployment_name ~ '^[A-Za-z0-9][A-Za-z0-9_/-]{0,127}$'),
  -- Null: tasks go to workers without a build.
  current_build_id text,
  ramping_build_id text,
  ramping_percentage real not null default 0,
  -- When the deployer looked; null before it did.
  observed_at timestamptz
);

-- The builds of agents_worker that have been seen. Each worker announces its build again and again as long as it runs.
create table worker_builds (
  deployment_name text not null references worker_deployments on delete cascade,
  build_id text not null constraint worker_builds_build_id check (build_id ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$'),
  first_seen_at timestamptz not null default clock_timestamp(),
  seen_until timestamptz not null,
  primary key (deployment_name, build_id)
);

-- A deployment makes a build of agents_worker the current one, step by step. All times are of PostgreSQL's clock.
create table deployments (
  id uuid primary key default gen_random_uuid(),
  deployment_name text not null,
  build_id text not null constraint deployments_build_id check (build_id ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$'),
  -- The current build at the time of the request; null if workers had no build.
  previous_build_id text,
  -- As given; the schema is contracts/deployment-strategy.ts.
  strategy jsonb not null default '{}'
    constraint deployments_strategy_is_an_object check (jsonb_typeof(strategy) = 'object')
    constraint deployments_strategy_at_most_64_kib check (octet_length(strategy::text) <= 65536),
  desired_state text not null default 'running'
    check (desired_state in ('running', 'paused', 'promoted', 'aborted', 'rolled_back')),
  status text not null default 'requested' check (status in ('requested', 'waiting', 'checking', 'ramping', 'promoting', 'promoted',
    'drained', 'paused', 'rolling_back', 'refused', 'rolled_back', 'aborted', 'superseded')),
  -- Part of the instances that the candidate serves.
  percentage real not null default 0 check (percentage between 0 and 100),
  step integer not null default 0 check (step >= 0),
  -- The schemas of these are in contracts/events/deployment-fields.ts. Lists in them are cut off; deployment_instances has all.
  gate jsonb constraint deployments_gate_at_most_64_kib check (octet_length(gate::text) <= 65536),
  blast_radius jsonb constraint deployments_blast_radius_at_most_64_kib check (octet_length(blast_radius::text) <= 65536),
  -- {code, message} of the status.
  reason jsonb,
  -- Instances that stay on the previous build, and those whose workflow was reset in a rollback.
  held integer not null default 0 check (held >= 0),
  reset_instances integer not null default 0 check (reset_instances >= 0),
  requested_by text check (length(requested_by) <= 200),
  -- By which a repeated request is recognized.
  request_key text check (length(request_key) <= 255),
  sequence bigint not null default 0,
  requested_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  promoted_at timestamptz,
  ended_at timestamptz,
  constraint deployments_name_exists foreign key (deployment_name) references worker_deployments on delete cascade
);
create unique index deployments_one_active on deployments (deployment_name) where ended_at is null;
create unique index deployments_one_per_key on deployments (requested_by, request_key);
create index deployments_by_name on deployments (deployment_name, requested_at);

-- What was found about instances during a deployment.
create table deployment_instances (
  deployment_id uuid not null references deployments on delete cascade,
  finding text not null check (finding in
    ('replay_failed', 'would_change', 'held', 'probe_failed', 'task_failed', 'instance_failed', 'reset')),
  -- Not a foreign key: the instance may be deleted.
  instance_id uuid not null,
  message text not null,
  found_at timestamptz not null default clock_timestamp(),
  -- When the instance was well again.
  healed_at timestamptz,
  primary key (deployment_id, finding, instance_id)
);

create function has_live_workers(p_deployment_name text, p_build_id text) returns boolean language sql stable as $$
  select exists (
    select from worker_builds b
    where b.deployment_name = p_deployment_name and b.build_id = p_build_id and b.seen_until > clock_timestamp())
$$;

-- Keeps what no client may choose, and refuses deployments that make no sense.
create function deployments_version() returns trigger language plpgsql as $$
declare
  active deployments;
  current_build text;
begin
  if tg_op = 'INSERT' then
    perform refuse_unreadable_json('strategy', new.strategy);
    perform refuse_long_numbers(new.strategy, 65536, 'strategy', 'deployments_strategy_at_most_64_kib');
    -- Deployments of a name begin one after the other.
    select w.current_build_id into current_build from worker_deployments w
      where w.deployment_name = new.deployment_name for no key update;
    if not found then
      raise exception 'No agents_worker has the deployment name %', left(new.deployment_name, 200)
        using errcode = 'foreign_key_violation', constraint = 'deployments_name_exists',
          hint = 'Start an agents_worker with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID.';
    end if;
    select * into active from deployments d where d.deployment_name = new.deployment_name and d.ended_at is null for update;
    if found and (active.status <> 'promoted' or active.desired_state = 'rolled_back') then
      raise exception 'Another deployment of % is active', new.deployment_name
        using errcode = 'unique_violation', constraint = 'deployments_one_active',
          hint = 'Wait until it has ended, or abort it.';
    end if;
    if current_build = new.build_id then
      raise exception 'The build % is the current one already', new.build_id
        using errcode = 'check_violation', constraint = 'deployments_build_is_not_current', hint = 'Deploy another build.';
    end if;
    if active.id is not null then
      update deployments d set status = 'superseded', reason = jsonb_build_object('code', 'superseded',
        'message', format('The deployment of the build %s took over while the previous build drained.', new.build_id))
        where d.id = active.id;
    end if;
    new.previous_build_id := current_build;
    new.desired_state := 'running';
    new.status := 'requested';
    new.percentage := 0;
    new.step := 0;
    new.gate := null;
    new.blast_radius := null;
    new.reason := null;
    new.held := 0;
    new.reset_instances := 0;
    new.promoted_at := null;
    new.ended_at := null;
    new.sequence := next_sequence_without_row(new.id);
    new.requested_at := clock_timestamp();
    new.updated_at := new.requested_at;
    return new;
  end if;
  if (new.id, new.deployment_name, new.build_id, new.strategy, new.request_key)
    is distinct from (old.id, old.deployment_name, old.build_id, old.strategy, old.request_key)
  then
    raise exception 'A deployment cannot become another one'
      using errcode = 'check_violation', constraint = 'deployments_are_immutable', hint = 'Abort this deployment and insert another one.';
  end if;
  -- Only the deployer changes the status. Where it pauses, it takes the wish back as well.
  if new.desired_state is distinct from old.desired_state and new.status is not distinct from old.status then
    if old.ended_at is not null then
      raise exception 'The deployment has ended as %', old.status
        using errcode = 'check_violation', constraint = 'deployments_has_not_ended', hint = 'Request another deployment.';
    elsif old.status = 'rolling_back' or old.desired_state in ('aborted', 'rolled_back')
      -- A rollback that waits for workers or for a person goes on, and nothing else comes of it.
      or (old.status = 'paused' and old.reason ->> 'code' in ('previous_absent', 'heal_failed') and new.desired_state in ('promoted', 'paused'))
    then
      raise exception 'The deployment is being ended already: its status is %, and its desired state %', old.status, old.desired_state
        using errcode = 'check_violation', constraint = 'deployments_is_not_ending', hint = 'Wait until the deployment has ended.';
    elsif old.promoted_at is not null and new.desired_state in ('aborted', 'promoted') then
      raise exception 'The deployment is promoted'
        using errcode = 'check_violation', constraint = 'deployments_is_not_promoted', hint = 'Roll the deployment back.';
    elsif new.desired_state = 'rolled_back' and old.promoted_at is not null and old.previous_build_id is null then
      -- The ramp of the first build can be undone. Once it is the current one, Temporal gives workers without a build nothing back.
      raise exception 'The deployment has no previous build'
        using errcode = 'check_violation', constraint = 'deployments_has_a_previous_build', hint = 'Deploy another build.';
    elsif new.desired_state = 'rolled_back' and (old.promoted_at is not null or old.percentage > 0) and old.previous_build_id is not null
        and not has_live_workers(old.deployment_name, old.previous_build_id) then
      raise exception 'No worker of the previous build % runs', old.previous_build_id
        using errcode = 'check_violation', constraint = 'deployments_previous_build_runs',
          hint = 'Start an agents_worker of the previous build, and then roll back.';
    end if;
  end if;
  new.sequence := old.sequence;
  new.requested_at := old.requested_at;
  new.updated_at := old.updated_at;
  new.promoted_at := old.promoted_at;
  new.ended_at := old.ended_at;
  -- Where the promotion overtakes the wish to take the build back, only a rollback is left, and for the first build not even that.
  if old.promoted_at is null and new.status = 'promoted' and new.desired_state in ('aborted', 'rolled_back') then
    new.desired_state := case when new.previous_build_id is null then 'running' else 'rolled_back' end;
  end if;
  if new is distinct from old then
    new.sequence := old.sequence + 1;
    -- Events have milliseconds, and the promotion is the event whose time is that of the promotion.
    new.updated_at := greatest(clock_timestamp(), old.promoted_at + interval '1 millisecond');
    if old.promoted_at is null and new.status = 'promoted' then
      new.promoted_at := new.updated_at;
    end if;
    if old.ended_at is null and new.status in ('drained', 'refused', 'rolled_back', 'aborted', 'superseded') then
      new.ended_at := new.updated_at;
    end if;
  end if;
  return new;
end $$;
create trigger deployments_version before insert or update on deployments for each row execute function deployments_version();

create function deployments_notify() returns trigger language plpgsql as $$
declare
  internal constant text := 'request_key';
begin
  if tg_op = 'DELETE' then
    if old.ended_at is null then
      perform append_event('deployments_notify', old.id, old.sequence + 1, 'delete', 'deployments', to_jsonb(old) - internal || jsonb_build_object(
        'sequence', old.sequence + 1, 'status', 'aborted', 'updated_at', clock_timestamp(), 'ended_at', clock_timestamp(),
        'reason', jsonb_build_object('code', 'aborted', 'message', 'The deployment was deleted.')));
    else
      insert into deleted_entities (entity_id, sequence) values (old.id, old.sequence)
        on conflict (entity_id) do update set sequence = excluded.sequence, row_data = null;
    end if;
  elsif tg_op = 'INSERT' or new.sequence > old.sequence then
    perform append_event('deployments_notify', new.id, new.sequence, lower(tg_op), 'deployments', to_jsonb(new) - internal);
  end if;
  return null;
end $$;
create trigger deployments_notify after insert or update or delete on deployments for each row execute function deployments_notify();
create trigger deployments_no_truncate before truncate on deployments for each statement execute function refuse_truncate();

-- Says that a worker of the build runs, and will have said so again before p_seconds have passed.
create function announce_build(p_deployment_name text, p_build_id text, p_seconds numeric) returns void language plpgsql as $$
begin
  insert into worker_deployments (deployment_name) values (p_deployment_name) on conflict (deployment_name) do nothing;
  insert into worker_builds as b (deployment_name, build_id, seen_until)
    values (p_deployment_name, p_build_id, clock_timestamp() + make_interval(secs => p_seconds::double precision))
    on conflict (deployment_name, build_id) do update set seen_until = greatest(b.seen_until, excluded.seen_until);
end $$;

-- Writes down how Temporal routes the tasks of the deployment name.
create function record_routing(p_deployment_name text, p_current_build_id text, p_ramping_build_id text, p_ramping_percentage real)
returns void language plpgsql as $$
begin
  insert into worker_deployments as w (deployment_name, current_build_id, ramping_build_id, ramping_percentage, observed_at)
    values (p_deployment_name, p_current_build_id, p_ramping_build_id, p_ramping_percentage, clock_timestamp())
    on conflict (deployment_name) do update set current_build_id = excluded.current_build_id,
      ramping_build_id = excluded.ramping_build_id, ramping_percentage = excluded.ramping_percentage, observed_at = excluded.observed_at;
end $$;

-- Locks the deployment, whose request causes the events of the transaction from now on. Returns null where there is no such deployment.
create function lock_deployment(p_deployment_id uuid) returns deployments language plpgsql as $$
declare
  deployment deployments;
begin
  select * into deployment from deployments d where d.id = p_deployment_id for update;
  perform set_event_cause((
    select jsonb_build_object('event_id', l.event_id, 'correlation_id', l.correlation_id, 'traceparent', l.traceparent)
    from event_log l where l.entity_id = p_deployment_id and l.notification ->> 'event_type' = 'insert' order by l.sequence desc limit 1));
  return deployment;
end $$;

-- Whether the deployer may give a deployment the status. A rollback, a promotion and an end are never taken back by a late call.
create function may_become(p_deployment deployments, p_status text) returns boolean language sql immutable as $$
  select p_deployment.ended_at is null
    and (p_deployment.status <> 'rolling_back' or p_status in ('rolling_back', 'rolled_back', 'aborted', 'paused'))
    and (p_deployment.promoted_at is null or p_status in ('promoted', 'drained', 'rolling_back', 'rolled_back', 'paused'))
$$;

-- Writes what became of the deployment, and returns its status and desired state. p_changes may have percentage, step, gate,
-- blast_radius, held, reset_instances and previous_build_id; what it lacks stays. Its reason replaces the one before, also by none.
-- With {"pauses": true} the deployment waits for a person. Nothing is written if {"sequence": …} is not that of the row: somebody changed the
-- row since this was decided, or it was written already.
create function record_deployment(p_deployment_id uuid, p_status text, p_changes jsonb)
returns table (status text, desired_state text) language plpgsql as $$
#variable_conflict use_column
declare
  deployment deployments := lock_deployment(p_deployment_id);
begin
  if may_become(deployment, p_status) and deployment.sequence = coalesce((p_changes ->> 'sequence')::bigint, deployment.sequence) then
    update deployments d set
      status = p_status,
      desired_state = case when p_changes @> '{"pauses": true}' then 'paused' else d.desired_state end,
      percentage = coalesce((p_changes ->> 'percentage')::real, d.percentage),
      step = coalesce((p_changes ->> 'step')::integer, d.step),
      gate = case when p_changes ? 'gate' then nullif(p_changes -> 'gate', 'null') else d.gate end,
      blast_radius = case when p_changes ? 'blast_radius' then nullif(p_changes -> 'blast_radius', 'null') else d.blast_radius end,
      held = coalesce((p_changes ->> 'held')::integer, d.held),
      reset_instances = coalesce((p_changes ->> 'reset_instances')::integer, d.reset_instances),
      previous_build_id = case when p_changes ? 'previous_build_id' then p_changes ->> 'previous_build_id' else d.previous_build_id end,
      reason = nullif(p_changes -> 'reason', 'null')
      where d.id = p_deployment_id;
  end if;
  return query select d.status, d.desired_state from deployments d where d.id = p_deployment_id;
end $$;

-- Writes down what was found about instances: p_found is [{instance_id, message}]. With p_replaces it is all that holds.
create function record_deployment_instances(p_deployment_id uuid, p_finding text, p_found jsonb, p_replaces boolean) returns void
language plpgsql as $$
begin
  if p_replaces then
    delete from deployment_instances x
      where x.deployment_id = p_deployment_id and x.finding = p_finding
        and x.instance_id not in (select (f ->> 'instance_id')::uuid from jsonb_array_elements(p_found) f);
  end if;
  insert into deployment_instances as x (deployment_id, finding, instance_id, message)
    select distinct on (f ->> 'instance_id') p_deployment_id, p_finding, (f ->> 'instance_id')::uuid, left(f ->> 'message', 1000)
    from jsonb_array_elements(p_found) f
    where exists (select from deployments d where d.id = p_deployment_id)
    on conflict (deployment_id, finding, instance_id) do update set message = excluded.message, found_at = clock_timestamp(),
      healed_at = null
      where x.message <> excluded.message or x.healed_at is not null;
end $$;

-- The instances are well again.
create function heal_deployment_instances(p_deployment_id uuid, p_finding text, p_instance_ids uuid[]) returns void language sql as $$
  update deployment_instances x set healed_at = clock_timestamp()
    where x.deployment_id = p_deployment_id and x.finding = p_finding and x.instance_id = any (p_instance_ids) and x.healed_at is null
$$;

-- The instance that is run on the candidate before any other. Nobody owns it.
create function canary_of(p_deployment_id uuid) returns uuid language sql immutable as $$
  select md5('canary of the deployment ' || p_deployment_id)::uuid
$$;

-- Inserts the canary, and returns its id. Null if the strategy names no agent for it, or if the deployment has ended.
create function insert_canary(p_deployment_id uuid) returns uuid language plpgsql as $$
declare
  deployment deployments := lock_deployment(p_deployment_id);
  agent uuid := (deployment.strategy ->> 'canary_agent_id')::uuid;
begin
  if agent is null or deployment.ended_at is not null then
    return null;
  end if;
  insert into instances (id, agent_id, user_id, metadata)
    values (canary_of(p_deployment_id), agent, p_deployment_id, jsonb_build_object('deployment_id', p_deployment_id))
    on conflict (id) do nothing;
  return canary_of(p_deployment_id);
end $$;

create function delete_canary(p_deployment_id uuid) returns void language plpgsql as $$
begin
  perform lock_deployment(p_deployment_id);
  delete from instances i where i.id = canary_of(p_deployment_id) and i.user_id = p_deployment_id;
end $$;

-- Events of deployments are about no agent. Every existing entry fulfils this, because it fulfils the constraint before.
alter table audit_log drop constraint audit_log_agent_id_is_known;
alter table audit_log add constraint audit_log_agent_id_is_known
  check (agent_id is not null or type like 'deployment.%' or type in ('audit_log.entries_removed', 'audit_log.event_differs')) not valid;

call secure_functions(
  array['deployments_version()', 'deployments_notify()', 'announce_build(text, text, numeric)', 'record_routing(text, text, text, real)',
    'record_deployment(uuid, text, jsonb)', 'record_deployment_instances(uuid, text, jsonb, boolean)',
    'heal_deployment_instances(uuid, text, uuid[])', 'insert_canary(uuid)', 'delete_canary(uuid)']::regprocedure[],
  array['has_live_workers(text, text)', 'lock_deployment(uuid)', 'may_become(deployments, text)', 'canary_of(uuid)']::regprocedure[]);

grant execute on function announce_build to agents_worker;
grant execute on function record_routing, record_deployment, record_deployment_instances, heal_deployment_instances, insert_canary,
  delete_canary to deployer;
grant select on deployments, deployment_instances, worker_deployments, worker_builds to deployer, admin_backend, agents_worker;
-- Not `config`, which may hold secrets.
grant select (id, agent_id, user_id, desired_state, generation, status, observed_generation, metadata, sequence, created_at, updated_at,
  host_id, agent_version, running_version, version_policy, status_sequence, status_changed_at) on instances to deployer;
grant select on engine to deployer;
grant insert (id, deployment_name, build_id, strategy, requested_by, request_key), update (desired_state) on deployments to admin_backend;

-- Down Migration

-- Entries of deployments stay, as every entry does.
alter table audit_log drop constraint audit_log_agent_id_is_known;
alter table audit_log add constraint audit_log_agent_id_is_known
  check (agent_id is not null or type = 'audit_log.entries_removed') not valid;

-- The role stays: other databases of the server may use it.
do $$
begin
  execute format('revoke all on all tables in schema %I from deployer', current_schema());
  execute format('revoke usage on schema %I from deployer', current_schema());
end $$;
drop function delete_canary, insert_canary, canary_of, heal_deployment_instances, record_deployment_instances, record_deployment, may_become,
  lock_deployment, record_routing, announce_build;
drop table deployment_instances, deployments, worker_builds, worker_deployments;
drop function deployments_version, deployments_notify, has_live_workers;
