-- Up Migration

-- In the unique index, the nil UUID stands for the limit of all others, so no user and no agent can have a limit by that id.
delete from instance_limits where subject = '00000000-0000-0000-0000-000000000000';
alter table instance_limits add constraint instance_limits_subject_is_not_nil
  check (subject <> '00000000-0000-0000-0000-000000000000');

-- Null: no limit. The condition is one that the unique index answers.
create or replace function find_instance_limit(p_scope text, p_subject uuid) returns integer language sql stable as $$
  select l.at_most from instance_limits l
  where l.scope = p_scope and coalesce(l.subject, '00000000-0000-0000-0000-000000000000')
    in (p_subject, '00000000-0000-0000-0000-000000000000')
  order by l.subject nulls last limit 1
$$;

-- Called after the new rows are there. A limit of n costs the reading of n + 1 entries of an index at most; for the greatest limit, that is
-- no integer.
create or replace function check_instance_limit(p_scope text, p_subject uuid) returns void language plpgsql as $$
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

-- Whether there is any limit is asked with `limit 1`, because `perform` reads all rows otherwise.
create or replace function instances_limit() returns trigger language plpgsql as $$
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

call secure_functions(array['instances_limit()']::regprocedure[],
  array['find_instance_limit(text, uuid)', 'check_instance_limit(text, uuid)']::regprocedure[]);

-- Down Migration

-- The functions stay: they work with the tables as they were, and the migration before drops them with these.
alter table instance_limits drop constraint instance_limits_subject_is_not_nil;
