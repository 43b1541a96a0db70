-- Up Migration

-- How many instances a user or an agent may have: rows, whatever their status. `subject` is the id of the user or of the agent; null is for
-- all that have no limit of their own. `at_most` null means no limit. A limit below what is there already removes nothing.
create table instance_limits (
  scope text not null check (scope in ('user', 'agent')),
  -- In the unique index, the nil UUID stands for null.
  subject uuid constraint instance_limits_subject_is_not_nil check (subject <> '00000000-0000-0000-0000-000000000000'),
  at_most integer check (at_most >= 0),
  changed_at timestamptz not null default clock_timestamp(),
  check (subject is not null or at_most is not null)
);
create unique index instance_limits_subject on instance_limits (scope, coalesce(subject, '00000000-0000-0000-0000-000000000000'));

-- Inserts for the same limited user or agent take turns, so that each counts the rows of the one before. A transaction that cannot see
-- those fails on this row and is to be repeated.
create table instance_limit_turns (
  scope text not null,
  subject uuid not null,
  taken bigint not null default 1,
  primary key (scope, subject)
);

-- Null: no limit. The condition is one that the unique index answers.
create function find_instance_limit(p_scope text, p_subject uuid) returns integer language sql stable as $$
  select l.at_most from instance_limits l
  where l.scope = p_scope and coalesce(l.subject, '00000000-0000-0000-0000-000000000000')
    in (p_subject, '00000000-0000-0000-0000-000000000000')
  order by l.subject nulls last limit 1
$$;

-- Called after the new rows are there. A limit of n costs the reading of n + 1 entries of an index at most; for the greatest limit, that is
-- no integer.
create function check_instance_limit(p_scope text, p_subject uuid) returns void language plpgsql as $$
declare
  at_most bigint;
  present bigint;
begin
  if find_instance_limit(p_scope, p_subject) is null then
    return;
  end if;
  insert into instance_limit_turns as t (scope, subject) values (p_scope, p_subject)
    on conflict (scope, subject) do update set taken = t.taken + 1;
  at_most := find_instance_limit(p_scope, p_subject);
  if p_scope = 'user' then
    select count(*) into present from (select from instances i where i.user_id = p_subject limit at_most + 1) k;
  else
    select count(*) into present from (select from instances i where i.agent_id = p_subject limit at_most + 1) k;
  end if;
  if present > at_most then
    raise exception 'The % % may have % % at most', p_scope, p_subject, at_most, case at_most when 1 then 'instance' else 'instances' end
      using errcode = 'check_violation', constraint = format('instances_limit_of_%s', p_scope),
        hint = 'Delete instances, or have an administrator raise the limit.';
  end if;
end $$;

-- The canary of a deployment is let in, because no user has asked for it. `limit 1`, because `perform` reads all rows otherwise.
create function instances_limit() returns trigger language plpgsql as $$
declare
  subject uuid;
begin
  perform from instance_limits limit 1;
  if not found then
    return null;
  end if;
  if tg_op = 'INSERT' then
    for subject in select distinct n.user_id from new_instances n where not is_canary(n.id, n.user_id) order by 1 loop
      perform check_instance_limit('user', subject);
    end loop;
    for subject in select distinct n.agent_id from new_instances n where not is_canary(n.id, n.user_id) order by 1 loop
      perform check_instance_limit('agent', subject);
    end loop;
  else
    if new.user_id <> old.user_id then
      perform check_instance_limit('user', new.user_id);
    end if;
    if new.agent_id <> old.agent_id then
      perform check_instance_limit('agent', new.agent_id);
    end if;
  end if;
  return null;
end $$;

create function is_canary(p_instance_id uuid, p_user_id uuid) returns boolean language sql stable as $$
  select p_instance_id = canary_of(p_user_id) and exists (select from deployments d where d.id = p_user_id)
$$;

create trigger instances_limit after insert on instances
  referencing new table as new_instances for each statement execute function instances_limit();
create trigger instances_limit_of_change after update of user_id, agent_id on instances
  for each row when (old.user_id <> new.user_id or old.agent_id <> new.agent_id) execute function instances_limit();

call secure_functions(array['instances_limit()']::regprocedure[],
  array['find_instance_limit(text, uuid)', 'check_instance_limit(text, uuid)', 'is_canary(uuid, uuid)']::regprocedure[]);
grant select, insert, update, delete on instance_limits to admin_backend;
grant select on instance_limits to user_backend;

-- Down Migration
drop trigger instances_limit on instances;
drop trigger instances_limit_of_change on instances;
drop function instances_limit, is_canary, check_instance_limit, find_instance_limit;
drop table instance_limit_turns, instance_limits;
