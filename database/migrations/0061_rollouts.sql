-- Up Migration

-- A rollout gives the instances of an agent another version, wave by wave. Wave 1 is the canary. All times are of PostgreSQL's clock.
create table rollouts (
  id uuid primary key default gen_random_uuid(),
  agent_id uuid not null,
  version text not null,
  -- As given; the schema is contracts/rollout-strategy.ts.
  strategy jsonb not null default '{}'
    constraint rollouts_strategy_is_an_object check (jsonb_typeof(strategy) = 'object')
    constraint rollouts_strategy_at_most_64_kib check (octet_length(strategy::text) <= 65536),
  desired_state text not null default 'running' check (desired_state in ('running', 'paused', 'aborted', 'superseded')),
  -- Allows the waves after the canary where the strategy does not.
  promoted boolean not null default false,
  status text not null default 'requested' check (status in ('requested', 'queued', 'progressing', 'paused', 'rolling_back',
    'completed', 'rolled_back', 'aborted', 'superseded', 'refused')),
  wave integer not null default 0,
  -- The waves up to this one belong to the canary.
  canary_wave integer not null default 0,
  -- Instances that are to be moved or were moved, and of these: moved at some time, healthy, failed, and given back their version.
  total integer not null default 0,
  moved integer not null default 0,
  healthy integer not null default 0,
  failed integer not null default 0,
  reverted integer not null default 0,
  -- Failures that a person knew of when they resumed the rollout.
  forgiven integer not null default 0,
  -- {code, message} of the status.
  reason jsonb,
  requested_by text check (length(requested_by) <= 200),
  -- The stable version before this rollout replaced it, and when it did.
  stable_before text,
  stable_at timestamptz,
  sequence bigint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  -- From here on the deadline for progress counts, at the earliest.
  resumed_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  constraint rollouts_version_exists foreign key (agent_id, version) references agent_versions on delete cascade
);
create unique index rollouts_one_active on rollouts (agent_id) where status in ('requested', 'progressing', 'paused', 'rolling_back');
create index rollouts_by_agent on rollouts (agent_id, created_at);

create table rollout_instances (
  rollout_id uuid not null references rollouts on delete cascade,
  -- Not a foreign key: the instance may be deleted.
  instance_id uuid not null,
  wave integer not null,
  from_version text,
  -- Generation of the instance that the move made.
  generation bigint not null,
  moved_at timestamptz not null default clock_timestamp(),
  -- `left`: the instance was deleted or stopped, or a user chose another agent or version.
  outcome text not null default 'moved' check (outcome in ('moved', 'healthy', 'failed', 'left', 'reverted')),
  -- Whether the instance says something about the version. One that had failed or was stopped before the move does not.
  judged boolean not null,
  -- The instance cannot run, but not because of the version: its host is lost, or there is none.
  excused boolean not null default false,
  -- The host on which the instance was healthy. An instance that is moved to another host is restarted there, perhaps between two looks,
  -- and its version is not to blame.
  host_id uuid,
  -- The newest generation that was seen, which a change of a user makes.
  seen_generation bigint not null,
  -- Generation that gives the instance its version back.
  reverted_generation bigint,
  -- When the outcome was reached, or when the time for it began anew.
  outcome_at timestamptz not null default clock_timestamp(),
  message text,
  primary key (rollout_id, instance_id)
);
create index rollout_instances_by_instance on rollout_instances (instance_id, moved_at);

create function is_active(p_rollout rollouts) returns boolean language sql immutable as $$
  select p_rollout.status in ('requested', 'progressing', 'paused', 'rolling_back')
$$;

-- Keeps what no client may choose, and refuses rollouts that make no sense.
create function rollouts_version() returns trigger language plpgsql as $$
declare
  agent agents;
  withdrawn timestamptz;
  given text := new.strategy ->> 'on_new_version';
begin
  if tg_op = 'INSERT' then
    perform refuse_unreadable_json('strategy', new.strategy);
    perform refuse_long_numbers(new.strategy, 65536, 'strategy', 'rollouts_strategy_at_most_64_kib');
    -- Rollouts of an agent begin one after the other.
    select * into agent from agents a where a.id = new.agent_id for no key update;
    if agent.retired_at is not null then
      raise exception 'The agent % is retired', new.agent_id
        using errcode = 'check_violation', constraint = 'rollouts_agent_is_in_use', hint = 'Publish the agent again before.';
    end if;
    select v.withdrawn_at into withdrawn from agent_versions v where v.agent_id = new.agent_id and v.version = new.version for share;
    if withdrawn is not null then
      raise exception 'The version % of the agent % is withdrawn', left(new.version, 100), new.agent_id
        using errcode = 'check_violation', constraint = 'rollouts_version_is_not_withdrawn', hint = 'Choose another version.';
    end if;
    new.status := 'requested';
    if exists (select from rollouts r where r.agent_id = new.agent_id and is_active(r)) then
      if given = 'supersede' then
        update rollouts r set desired_state = 'superseded'
          where r.agent_id = new.agent_id and r.ended_at is null and r.status <> 'rolling_back'
            and r.desired_state in ('running', 'paused');
      elsif given is distinct from 'queue' then
        raise exception 'Another rollout of the agent % is active', new.agent_id
          using errcode = 'unique_violation', constraint = 'rollouts_one_active',
            hint = 'Say in the strategy with on_new_version whether this rollout is to supersede it or to queue behind it.';
      end if;
      new.status := 'queued';
    end if;
    new.desired_state := case when new.desired_state = 'paused' then 'paused' else 'running' end;
    new.promoted := false;
    new.wave := 0;
    new.canary_wave := 0;
    new.total := 0;
    new.moved := 0;
    new.healthy := 0;
    new.failed := 0;
    new.reverted := 0;
    new.forgiven := 0;
    new.reason := null;
    new.stable_before := null;
    new.stable_at := null;
    new.ended_at := null;
    new.sequence := next_sequence_without_row(new.id);
    new.created_at := clock_timestamp();
    new.updated_at := new.created_at;
    new.resumed_at := new.created_at;
    return new;
  end if;
  if (new.id, new.agent_id, new.version, new.strategy) is distinct from (old.id, old.agent_id, old.version, old.strategy) then
    raise exception 'A rollout cannot become another one'
      using errcode = 'check_violation', constraint = 'rollouts_are_immutable', hint = 'Abort this rollout and insert another one.';
  end if;
  if (new.desired_state, new.promoted) is distinct from (old.desired_state, old.promoted) then
    if old.ended_at is not null then
      raise exception 'The rollout has ended as %', old.status
        using errcode = 'check_violation', constraint = 'rollouts_has_not_ended', hint = 'Begin another rollout.';
    elsif old.status = 'rolling_back' or old.desired_state in ('aborted', 'superseded') then
      raise exception 'The rollout is being ended already: its status is %, and its desired state %', old.status, old.desired_state
        using errcode = 'check_violation', constraint = 'rollouts_is_not_ending', hint = 'Wait until the rollout has ended.';
    end if;
  end if;
  new.sequence := old.sequence;
  new.created_at := old.created_at;
  new.updated_at := old.updated_at;
  new.ended_at := old.ended_at;
  if (new.desired_state = 'running' and old.desired_state = 'paused') or (new.promoted and not old.promoted) then
    new.resumed_at := clock_timestamp();
  end if;
  -- Nothing was moved yet.
  if new.status = 'queued' and new.desired_state in ('aborted', 'superseded') then
    new.status := new.desired_state;
    new.reason := jsonb_build_object('code', new.desired_state, 'message', case new.desired_state
      when 'aborted' then 'The rollout was aborted before it began.' else 'A newer rollout superseded this one before it began.' end);
  end if;
  if new is distinct from old then
    new.sequence := old.sequence + 1;
    new.updated_at := clock_timestamp();
    if old.ended_at is null and new.status in ('completed', 'rolled_back', 'aborted', 'superseded', 'refused') then
      new.ended_at := new.updated_at;
    end if;
  end if;
  return new;
end $$;
create trigger rollouts_version before insert or update on rollouts for each row execute function rollouts_version();

create function rollouts_notify() returns trigger language plpgsql as $$
declare
  internal constant text[] := array['canary_wave', 'forgiven', 'stable_before', 'stable_at', 'resumed_at'];
begin
  if tg_op = 'DELETE' then
    if old.ended_at is null then
      perform append_event('rollouts_notify', old.id, old.sequence + 1, 'delete', 'rollouts', to_jsonb(old) - internal || jsonb_build_object(
        'sequence', old.sequence + 1, 'status', 'aborted', 'updated_at', clock_timestamp(), 'ended_at', clock_timestamp(),
        'reason', jsonb_build_object('code', 'aborted', 'message', 'The rollout was deleted, perhaps with its agent.')));
    else
      insert into deleted_entities (entity_id, sequence) values (old.id, old.sequence)
        on conflict (entity_id) do update set sequence = excluded.sequence, row_data = null;
    end if;
  elsif tg_op = 'INSERT' or new.sequence > old.sequence then
    perform append_event('rollouts_notify', new.id, new.sequence, lower(tg_op), 'rollouts', to_jsonb(new) - internal);
    if tg_op = 'UPDATE' and old.ended_at is null and new.ended_at is not null and old.status <> 'queued' then
      update rollouts r set status = 'requested', resumed_at = clock_timestamp() where r.id = (
        select q.id from rollouts q where q.agent_id = new.agent_id and q.status = 'queued' order by q.created_at, q.id limit 1);
    end if;
  end if;
  return null;
end $$;
create trigger rollouts_notify after insert or update or delete on rollouts for each row execute function rollouts_notify();
create trigger rollouts_no_truncate before truncate on rollouts for each statement execute function refuse_truncate();

-- A publication begins the rollout of its version, as the agent says. The event of the publication causes that of the rollout.
create function agents_rollout() returns trigger language plpgsql as $$
declare
  names constant text[] := array['events.causation_id', 'events.correlation_id', 'events.traceparent'];
  before text[] := (select array_agg(coalesce(current_setting(n.name, true), '') order by n.place)
    from unnest(names) with ordinality n (name, place));
begin
  if new.version is distinct from old.version and new.rollout is not null and new.retired_at is null then
    perform set_event_cause((
      select jsonb_build_object('event_id', l.event_id, 'correlation_id', l.correlation_id, 'traceparent', l.traceparent)
      from event_log l where l.entity_id = new.id and l.sequence = new.sequence));
    insert into rollouts (agent_id, version, strategy, requested_by) values (new.id, new.version, new.rollout, 'publication');
    perform set_config(n.name, before[n.place], true) from unnest(names) with ordinality n (name, place);
  end if;
  return null;
end $$;
-- Triggers fire in the order of their names: after agents_notify and agents_publication.
create trigger agents_rollout after update of version on agents for each row execute function agents_rollout();

-- Locks the rollout, whose request causes the events of the transaction from now on. Returns null where there is no such rollout. Locks
-- are taken in the order agent, rollout, instance, and nobody waits for the lock of an instance.
create function lock_rollout(p_rollout_id uuid) returns rollouts language plpgsql as $$
declare
  rollout rollouts;
begin
  select * into rollout from rollouts r where r.id = p_rollout_id for update;
  perform set_event_cause((
    select jsonb_build_object('event_id', l.event_id, 'correlation_id', l.correlation_id, 'traceparent', l.traceparent)
    from event_log l where l.entity_id = p_rollout_id and l.notification ->> 'event_type' = 'insert' order by l.sequence desc limit 1));
  return rollout;
end $$;

-- Locks the agent of the rollout for changes, and returns it. Null where there is no such rollout.
create function lock_agent(p_rollout_id uuid) returns agents language plpgsql as $$
declare
  agent agents;
begin
  select * into agent from agents a where a.id = (select r.agent_id from rollouts r where r.id = p_rollout_id) for no key update;
  return agent;
end $$;

-- Keeps the agent of the rollout as it is until the transaction ends, and returns it. Null where there is no such rollout.
create function hold_agent(p_rollout_id uuid) returns agents language plpgsql as $$
declare
  agent agents;
begin
  select * into agent from agents a where a.id = (select r.agent_id from rollouts r where r.id = p_rollout_id) for share;
  return agent;
end $$;

-- The instances that the rollout has still to move, and whether they will say something about the version.
create function rollout_targets(p_rollout_id uuid)
returns table (instance_id uuid, user_id uuid, metadata jsonb, judged boolean, is_running boolean) language sql stable as $$
  select i.id, i.user_id, i.metadata,
    i.desired_state = 'running' and (i.status = 'running' or i.status <> 'failed' and i.metadata -> 'status_reason' is null),
    i.status = 'running'
  from rollouts r join instances i on i.agent_id = r.agent_id
  where r.id = p_rollout_id and i.version_policy = 'follow' and i.agent_version is distinct from r.version
    and not exists (select from rollout_instances x where x.rollout_id = r.id and x.instance_id = i.id)
$$;

-- Targets that fit the canary. With one_per_user, one of each user who has no instance in the canary yet.
create function canary_targets(p_rollout_id uuid, p_matching jsonb, p_one_per_user boolean) returns setof uuid language sql stable as $$
  select t.instance_id from (
    select f.*, row_number() over (partition by f.user_id order by f.is_running desc, f.instance_id) as place
    from rollout_targets(p_rollout_id) f where f.judged and f.metadata @> p_matching) t
  where not p_one_per_user or (t.place = 1 and not exists (
    select from rollout_instances x join instances i on i.id = x.instance_id
    where x.rollout_id = p_rollout_id and x.judged and i.user_id = t.user_id))
  order by t.is_running desc, t.instance_id
$$;

-- Moved instances that are to run and do not, or not for long enough. They take the places that max_parallel allows. Those that had
-- failed when a person resumed the rollout take none: else a rollout with as many failures could never go on.
create function instances_out(p_rollout_id uuid, p_min_healthy_seconds numeric) returns setof uuid language sql volatile as $$
  select x.instance_id
  from rollouts r
  join rollout_instances x on x.rollout_id = r.id and x.judged and x.outcome in ('moved', 'healthy', 'failed')
  join instances i on i.id = x.instance_id and i.agent_id = r.agent_id and i.agent_version = r.version and i.desired_state = 'running'
  where r.id = p_rollout_id and not (x.outcome = 'failed' and x.outcome_at <= r.resumed_at)
    and not (i.status = 'running' and i.observed_generation >= x.generation and (x.outcome = 'healthy'
    or i.status_changed_at <= clock_timestamp() - make_interval(secs => p_min_healthy_seconds::double precision)))
$$;

-- Counts what became of the instances. A rollback keeps the numbers that led to it.
create function count_rollout(p_rollout_id uuid) returns void language plpgsql as $$
declare
  counted record;
begin
  select count(*) as moved, count(*) filter (where x.outcome = 'healthy') as healthy,
    count(*) filter (where x.outcome = 'failed') as failed, count(*) filter (where x.outcome = 'reverted') as reverted
    into counted from rollout_instances x where x.rollout_id = p_rollout_id;
  update rollouts r set moved = counted.moved, reverted = counted.reverted
    where r.id = p_rollout_id and r.status = 'rolling_back'
      and (r.moved, r.reverted) is distinct from (counted.moved, counted.reverted);
  update rollouts r set total = t.total, moved = counted.moved, healthy = counted.healthy, failed = counted.failed
    from (select counted.moved + count(*) as total from rollout_targets(p_rollout_id)) t
    where r.id = p_rollout_id and r.status <> 'rolling_back'
      and (r.total, r.moved, r.healthy, r.failed) is distinct from (t.total, counted.moved, counted.healthy, counted.failed);
end $$;

-- Whether somebody wants the rollout to go on, and nothing is against it.
create function may_go_on(p_rollout rollouts, p_agent agents) returns boolean language sql stable as $$
  select coalesce(p_rollout.status in ('requested', 'progressing', 'paused') and p_rollout.desired_state = 'running'
    and p_agent.retired_at is null
    and exists (
      select from agent_versions v
      where v.agent_id = p_rollout.agent_id and v.version = p_rollout.version and v.withdrawn_at is null), false)
$$;

-- Moves the next wave, and returns how many instances it has. A repeated wave moves no more. At most p_limit instances are moved, and no
-- more than leave p_max_out of all moved ones out. p_canary is {matching, one_per_user} for a wave of the canary, and null otherwise; if
-- no instance fits the canary, it is chosen from all.
-- An instance that another transaction holds is left to a later wave.
create function move_wave(
  p_rollout_id uuid, p_wave integer, p_limit integer, p_max_out integer, p_min_healthy_seconds numeric, p_canary jsonb
) returns integer language plpgsql as $$
declare
  agent agents := hold_agent(p_rollout_id);
  rollout rollouts := lock_rollout(p_rollout_id);
  places integer;
  has_judged boolean;
  matching jsonb;
  one_per_user boolean;
  target record;
  before instances;
  after instances;
  moved_now integer := 0;
begin
  if rollout.wave >= p_wave then
    return (select count(*) from rollout_instances x where x.rollout_id = p_rollout_id and x.wave = p_wave);
  end if;
  if not may_go_on(rollout, agent) then
    return 0;
  end if;
  places := least(p_limit, p_max_out - (select count(*) from instances_out(p_rollout_id, p_min_healthy_seconds)));
  has_judged := exists (select from rollout_targets(p_rollout_id) t where t.judged);
  if p_canary is not null then
    matching := coalesce(p_canary -> 'matching', '{}');
    one_per_user := coalesce((p_canary -> 'one_per_user')::boolean, false);
    if not exists (select from canary_targets(p_rollout_id, matching, one_per_user)) then
      matching := '{}';
      one_per_user := false;
    end if;
  end if;
  for target in
    select t.instance_id, t.judged from rollout_targets(p_rollout_id) t
      where p_canary is null and t.judged = has_judged
    union all
    select c.id, true
      from canary_targets(p_rollout_id, matching, one_per_user) c (id)
      where p_canary is not null
  loop
    exit when moved_now >= places;
    select * into before from instances i where i.id = target.instance_id for update skip locked;
    -- A user may have changed the row since it was found.
    continue when not found or before.agent_id <> rollout.agent_id or before.version_policy <> 'follow'
      or before.agent_version is not distinct from rollout.version;
    update instances i set agent_version = rollout.version where i.id = before.id returning * into after;
    insert into rollout_instances (rollout_id, instance_id, wave, from_version, generation, seen_generation, judged)
      values (p_rollout_id, before.id, p_wave, version_before(before, agent.stable_version), after.generation, after.generation, target.judged);
    moved_now := moved_now + 1;
  end loop;
  if moved_now > 0 then
    update rollouts r set wave = p_wave, status = 'progressing', reason = null,
      canary_wave = case when p_canary is null then r.canary_wave else p_wave end where r.id = p_rollout_id;
  end if;
  perform count_rollout(p_rollout_id);
  return moved_now;
end $$;

-- The version that an instance gets back: its own, or, where a rollout that was superseded had moved it there, the one before that.
create function version_before(p_instance instances, p_stable text) returns text language plpgsql as $$
declare
  last record;
begin
  if p_instance.agent_version is null or p_instance.agent_version = p_stable
      or not exists (select from agent_versions v where v.agent_id = p_instance.agent_id and v.version = p_instance.agent_version) then
    return p_stable;
  end if;
  select r.status, r.agent_id, r.version, x.outcome, x.from_version into last
    from rollout_instances x join rollouts r on r.id = x.rollout_id
    where x.instance_id = p_instance.id order by x.moved_at desc limit 1;
  if last.status = 'superseded' and last.outcome <> 'reverted'
      and (last.agent_id, last.version) = (p_instance.agent_id, p_instance.agent_version) then
    return last.from_version;
  end if;
  return p_instance.agent_version;
end $$;

create function is_nobodys_fault(p_instance instances) returns boolean language sql as $$
  select coalesce(
    p_instance.status = 'pending' and p_instance.metadata #>> '{status_reason,code}' in ('host_lost', 'no_host', 'moving'), false)
$$;

-- Writes down what became of the moved instances by now.
create function judge_wave(p_rollout_id uuid, p_min_healthy_seconds numeric, p_healthy_deadline_seconds numeric) returns void
language plpgsql as $$
declare
  rollout rollouts := lock_rollout(p_rollout_id);
  min_healthy interval := make_interval(secs => p_min_healthy_seconds::double precision);
  deadline interval := make_interval(secs => p_healthy_deadline_seconds::double precision);
begin
  if rollout.id is null or rollout.status not in ('requested', 'progressing', 'paused') then
    return;
  end if;
  with seen as (
    select x.instance_id, x.outcome, x.excused, i.generation, i.status,
      i.metadata #>> '{status_reason,code}' as code, i.metadata #>> '{status_reason,message}' as said,
      i.id is null or i.agent_id <> rollout.agent_id or i.agent_version is distinct from rollout.version
        or i.desired_state = 'stopped' as is_left,
      i.status = 'running' and i.observed_generation >= x.generation as is_running,
      i.status_changed_at <= clock_timestamp() - min_healthy as is_stable,
      i.status = 'failed' and i.observed_generation >= x.generation as is_failed,
      i.generation > x.seen_generation as is_changed,
      x.outcome_at + deadline < clock_timestamp() as is_late,
      x.moved_at + deadline < clock_timestamp() as is_overdue,
      -- Its end and its next start may both lie between two looks.
      i.status_changed_at > x.outcome_at as is_restarted,
      is_nobodys_fault(i) as is_excusable,
      i.host_id, x.outcome = 'healthy' and i.host_id is distinct from x.host_id as is_elsewhere
    from rollout_instances x left join instances i on i.id = x.instance_id
    where x.rollout_id = p_rollout_id and x.judged and x.outcome in ('moved', 'healthy')
  ), judged as (
    select s.*, case
        when s.is_left then case s.outcome when 'moved' then 'left' else s.outcome end
        when s.is_failed then 'failed'
        when s.outcome = 'healthy' then case
          when s.status = 'pending' and s.code = 'restarting' then 'failed'
          when s.is_running and s.is_restarted and not (s.is_changed or s.is_elsewhere or s.excused) then 'failed'
          else 'healthy' end
        when s.is_running and s.is_stable then 'healthy'
        when s.is_late and not (s.is_excusable or s.is_changed or s.excused) then 'failed'
        else 'moved' end as next,
      not s.is_left and case s.outcome
        -- A user, or a move to another host, restarts the agent.
        when 'healthy' then s.is_changed or s.is_excusable or s.is_elsewhere or (s.excused and not (s.is_running and s.is_stable))
        else (s.is_overdue and s.is_excusable) or (s.excused and not s.is_changed and not (s.is_running and s.is_stable)) end as excuse,
      not s.is_left and (s.is_changed or s.is_elsewhere or s.outcome = 'moved' and s.is_excusable) as begins_anew
    from seen s
  )
  update rollout_instances x set outcome = j.next, excused = j.excuse,
    seen_generation = greatest(x.seen_generation, j.generation),
    host_id = case when j.next = 'healthy' then j.host_id else x.host_id end,
    outcome_at = case when j.next <> x.outcome or j.excuse <> x.excused or j.begins_anew then clock_timestamp() else x.outcome_at end,
    message = case
      when j.next <> 'failed' then x.message
      when j.is_failed or x.outcome = 'healthy' then left(coalesce(j.said, 'It was restarted after it had been healthy.'), 1000)
      else left(concat_ws(' ', format('It was not healthy within %s s: its status is %s.', p_healthy_deadline_seconds, j.status), j.said), 1000)
      end
    from judged j
    where x.rollout_id = p_rollout_id and x.instance_id = j.instance_id
      and ((j.next, j.excuse) is distinct from (x.outcome, x.excused) or j.begins_anew);
  perform count_rollout(p_rollout_id);
end $$;

-- Writes the status of the rollout and its reason. With p_holds the rollout is paused until a person resumes it, who then knows of the
-- failures. An ended rollout stays as it is. Nothing is written if p_sequence is not that of the row: somebody changed the row since this
-- was decided, or it was written already.
create function record_rollout(p_rollout_id uuid, p_status text, p_reason jsonb, p_holds boolean, p_sequence bigint default null) returns void
language plpgsql as $$
declare
  rollout rollouts := lock_rollout(p_rollout_id);
begin
  if rollout.ended_at is null and (rollout.status <> 'rolling_back' or p_status in ('rolled_back', 'aborted'))
      and rollout.sequence = coalesce(p_sequence, rollout.sequence) then
    update rollouts r set status = p_status, reason = p_reason,
      desired_state = case when p_holds and r.desired_state = 'running' then 'paused' else r.desired_state end,
      forgiven = case when p_holds then r.failed else r.forgiven end
      where r.id = p_rollout_id;
  end if;
end $$;

-- Begins the rollback: the stable version is that from before the rollout again, and with p_withdraws nobody may choose the version any
-- more, unless it was the stable version before.
create function begin_rollback(p_rollout_id uuid, p_reason jsonb, p_withdraws boolean) returns void language plpgsql as $$
declare
  agent agents := lock_agent(p_rollout_id);
  rollout rollouts := lock_rollout(p_rollout_id);
  stable text := agent.stable_version;
begin
  if rollout.id is null or rollout.status not in ('requested', 'progressing', 'paused') then
    return;
  end if;
  if stable = rollout.version and exists (select from agent_versions v
      where v.agent_id = rollout.agent_id and v.version = rollout.stable_before and v.withdrawn_at is null) then
    update agents a set stable_version = rollout.stable_before where a.id = rollout.agent_id returning a.stable_version into stable;
  end if;
  if p_withdraws and stable <> rollout.version then
    update agent_versions v set withdrawn_at = clock_timestamp(), withdrawn_reason = left(p_reason ->> 'message', 1000)
      where v.agent_id = rollout.agent_id and v.version = rollout.version and v.withdrawn_at is null;
  end if;
  -- Instances that were inserted while the version was the stable one go back as well, and those that a rollout of the same version, which
  -- this one superseded, had moved.
  insert into rollout_instances (rollout_id, instance_id, wave, from_version, generation, seen_generation, judged)
    select rollout.id, i.id, rollout.wave, b.version, i.generation, i.generation, false
    from instances i
    cross join lateral (
      select case when i.created_at >= rollout.stable_at then stable else version_before(i, stable) end as version) b
    where i.agent_id = rollout.agent_id and i.agent_version = rollout.version and i.version_policy = 'follow'
      and b.version <> rollout.version and stable <> rollout.version
    on conflict (rollout_id, instance_id) do nothing;
  update rollouts r set status = 'rolling_back', reason = p_reason where r.id = p_rollout_id;
  perform count_rollout(p_rollout_id);
end $$;

-- Reverted instances that are not back yet, and have time left for it.
create function instances_not_back(p_rollout_id uuid, p_healthy_deadline_seconds numeric) returns setof uuid language sql volatile as $$
  select x.instance_id
  from rollouts r
  join rollout_instances x on x.rollout_id = r.id and x.judged and x.outcome = 'reverted'
  join instances i on i.id = x.instance_id and i.agent_id = r.agent_id and i.desired_state = 'running'
  where r.id = p_rollout_id and not (i.status = 'running' and i.observed_generation >= x.reverted_generation)
    and x.outcome_at + make_interval(secs => p_healthy_deadline_seconds::double precision) > clock_timestamp()
$$;

-- Instances that are on the version still, and have another version to go back to.
create function instances_to_revert(p_rollout_id uuid) returns table (instance_id uuid, version text, is_running boolean)
language sql volatile as $$
  select * from (
    select x.instance_id, (
        select v.version from agent_versions v
        where v.agent_id = r.agent_id and v.withdrawn_at is null and v.version <> r.version
          and v.version in (x.from_version, a.stable_version)
        order by v.version is distinct from x.from_version limit 1) as version,
      i.status = 'running' and i.desired_state = 'running' as is_running
    from rollouts r
    join agents a on a.id = r.agent_id
    join rollout_instances x on x.rollout_id = r.id and x.outcome <> 'reverted'
    join instances i on i.id = x.instance_id and i.agent_id = r.agent_id and i.agent_version = r.version
    where r.id = p_rollout_id) found
  where found.version is not null
  order by found.is_running, found.instance_id
$$;

-- Gives moved instances their own version back: those that do not run at once, the others as long
-- as no more than p_max_out are not back. An instance for which somebody chose another agent or version is left.
create function revert_wave(p_rollout_id uuid, p_max_out integer, p_healthy_deadline_seconds numeric) returns void
language plpgsql as $$
declare
  agent agents := hold_agent(p_rollout_id);
  rollout rollouts := lock_rollout(p_rollout_id);
  places integer;
  target record;
  before instances;
  after instances;
begin
  if rollout.status is distinct from 'rolling_back' or agent.retired_at is not null then
    return;
  end if;
  update rollout_instances x set outcome = 'left', outcome_at = clock_timestamp()
    where x.rollout_id = p_rollout_id and x.outcome in ('moved', 'healthy', 'failed') and not exists (
      select from instances i
      where i.id = x.instance_id and i.agent_id = rollout.agent_id and i.agent_version = rollout.version);
  places := p_max_out - (select count(*) from instances_not_back(p_rollout_id, p_healthy_deadline_seconds));
  for target in select * from instances_to_revert(p_rollout_id) loop
    select * into before from instances i where i.id = target.instance_id for update skip locked;
    -- A user may have changed the row since it was found.
    continue when not found or before.agent_id <> rollout.agent_id or before.agent_version is distinct from rollout.version;
    if before.status = 'running' and before.desired_state = 'running' then
      continue when places <= 0;
      places := places - 1;
    end if;
    update instances i set agent_version = target.version where i.id = before.id returning * into after;
    update rollout_instances x set outcome = 'reverted', reverted_generation = after.generation, outcome_at = clock_timestamp()
      where x.rollout_id = p_rollout_id and x.instance_id = before.id;
  end loop;
  perform count_rollout(p_rollout_id);
end $$;

-- Makes the version the stable one, and then looks for targets again, so that no insert is forgotten.
--   completed  the rollout has ended
--   more       there are targets, which came before the version was the stable one
--   changed    somebody changed the rollout or its agent; nothing was written
create function complete_rollout(p_rollout_id uuid) returns text language plpgsql as $$
declare
  agent agents := lock_agent(p_rollout_id);
  rollout rollouts := lock_rollout(p_rollout_id);
begin
  if not may_go_on(rollout, agent) then
    return 'changed';
  end if;
  if agent.stable_version is distinct from rollout.version then
    update agents a set stable_version = rollout.version where a.id = agent.id;
    update rollouts r set stable_before = agent.stable_version, stable_at = clock_timestamp() where r.id = p_rollout_id;
  end if;
  perform count_rollout(p_rollout_id);
  if exists (select from rollout_targets(p_rollout_id)) then
    return 'more';
  end if;
  update rollouts r set status = 'completed', reason = null where r.id = p_rollout_id;
  return 'completed';
end $$;

call secure_functions(
  array['rollouts_version()', 'rollouts_notify()', 'agents_rollout()',
    'move_wave(uuid, integer, integer, integer, numeric, jsonb)', 'judge_wave(uuid, numeric, numeric)',
    'record_rollout(uuid, text, jsonb, boolean, bigint)', 'begin_rollback(uuid, jsonb, boolean)', 'revert_wave(uuid, integer, numeric)',
    'complete_rollout(uuid)', 'rollout_targets(uuid)', 'canary_targets(uuid, jsonb, boolean)', 'instances_out(uuid, numeric)',
    'instances_to_revert(uuid)', 'instances_not_back(uuid, numeric)']::regprocedure[],
  array['is_active(rollouts)', 'may_go_on(rollouts, agents)', 'lock_rollout(uuid)', 'lock_agent(uuid)', 'hold_agent(uuid)', 'count_rollout(uuid)', 'version_before(instances, text)',
    'is_nobodys_fault(instances)']::regprocedure[]);

grant execute on function move_wave, judge_wave, record_rollout, begin_rollback, revert_wave, complete_rollout, rollout_targets,
  canary_targets, instances_out, instances_to_revert, instances_not_back to agents_worker;
grant select on rollouts, rollout_instances to agents_worker, admin_backend;
grant insert (id, agent_id, version, strategy, desired_state, requested_by), update (desired_state, promoted) on rollouts to admin_backend;

-- Down Migration
drop trigger agents_rollout on agents;
drop function complete_rollout, revert_wave, instances_to_revert, instances_not_back, begin_rollback, record_rollout, judge_wave, is_nobodys_fault, move_wave,
  version_before, count_rollout, instances_out, canary_targets, rollout_targets, lock_rollout,
  lock_agent, hold_agent, may_go_on, agents_rollout, is_active;
drop table rollout_instances, rollouts;
drop function rollouts_version, rollouts_notify;
