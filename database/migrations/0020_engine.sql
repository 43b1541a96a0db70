-- Up Migration

-- The one engine that works on this database, written down when agents_worker first starts. A second one, in another namespace of
-- Temporal or on another task queue, would run an agent of its own for every instance. Addresses are not in here: they may change.
create table engine (
  only_row boolean primary key default true check (only_row),
  namespace text not null,
  -- Temporal's id of the namespace: namespaces of two clusters may have one name. Null where Temporal did not tell.
  namespace_id text,
  task_queue text not null,
  recorded_at timestamptz not null default clock_timestamp()
);

-- Writes the engine down where none is, and the id of its namespace where that was not known; returns the one that is there. To move
-- on purpose, stop the old engine and `delete from engine` as the owner of the database.
create function claim_engine(p_namespace text, p_task_queue text, p_namespace_id text) returns setof engine
language plpgsql as $$
begin
  insert into engine (namespace, task_queue, namespace_id) values (p_namespace, p_task_queue, p_namespace_id)
    on conflict (only_row) do nothing;
  update engine set namespace_id = p_namespace_id
    where namespace_id is null and p_namespace_id is not null and namespace = p_namespace and task_queue = p_task_queue;
  return query select * from engine;
end $$;

do $$
begin
  execute format('alter function claim_engine security definer set search_path = %I, pg_temp', current_schema());
end $$;
revoke execute on function claim_engine from public;
grant execute on function claim_engine to agents_worker;
grant select on engine to agents_worker, user_backend;

-- Down Migration
drop function claim_engine;
drop table engine;
