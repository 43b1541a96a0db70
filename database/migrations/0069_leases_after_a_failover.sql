-- Up Migration

-- A standby that was promoted, or a backup that was restored, may have older leases than those that the hosts themselves know of. A host
-- that is at work then looks like one that was lost long ago. The only row says since when the hosts have renewed their leases here.
create table lease_history (
  only_row boolean primary key default true check (only_row),
  identity text not null,
  since timestamptz not null
);

-- A promotion begins a new timeline of the write-ahead log, and a restored dump has the table made anew. Some hosted servers say neither.
create function database_identity() returns text language plpgsql as $$
begin
  return concat_ws(' ', (select s.system_identifier from pg_control_system() s),
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 'hosts'::regclass::oid);
exception when insufficient_privilege or feature_not_supported or object_not_in_prerequisite_state or undefined_function then
  return 'hosts'::regclass::oid::text;
end $$;

insert into lease_history (identity, since) values (database_identity(), '-infinity');

create function leases_known_since() returns timestamptz language plpgsql as $$
declare
  own text := database_identity();
begin
  update lease_history l set identity = own, since = clock_timestamp() where l.identity <> own;
  return (select l.since from lease_history l);
end $$;

-- As before, but every host first has the time of its lease to renew it in this database. It counts the end of its lease from its last
-- renewal, of which this database may not know.
create or replace function is_replaceable(p_placement placements, p_host hosts) returns boolean language plpgsql as $$
declare
  waits interval := make_interval(secs => p_placement.replace_after_seconds);
begin
  return p_host.forgotten_at is not null or (
    coalesce(p_host.lease_until + waits < clock_timestamp(), false)
    and leases_known_since() + make_interval(secs => p_host.lease_seconds::double precision) + waits < clock_timestamp());
end $$;

-- As before, and it notices soon that the database is another one.
create or replace function claim_fleet_watch(p_worker_id uuid, p_seconds numeric) returns boolean language plpgsql as $$
begin
  perform leases_known_since();
  insert into fleet_watch as f (worker_id, until)
    values (p_worker_id, clock_timestamp() + make_interval(secs => p_seconds::double precision))
    on conflict (only_row) do update set worker_id = excluded.worker_id, until = excluded.until
      where f.worker_id = excluded.worker_id or f.until < clock_timestamp();
  return found;
end $$;

call secure_functions(
  array['is_replaceable(placements, hosts)', 'claim_fleet_watch(uuid, numeric)']::regprocedure[],
  array['database_identity()', 'leases_known_since()']::regprocedure[]);
grant execute on function is_replaceable, claim_fleet_watch to agents_worker;

-- Down Migration
revoke execute on function is_replaceable from agents_worker;
create or replace function is_replaceable(p_placement placements, p_host hosts) returns boolean language sql as $$
  select p_host.forgotten_at is not null
    or coalesce(p_host.lease_until + make_interval(secs => p_placement.replace_after_seconds) < clock_timestamp(), false)
$$;
create or replace function claim_fleet_watch(p_worker_id uuid, p_seconds numeric) returns boolean language plpgsql as $$
begin
  insert into fleet_watch as f (worker_id, until)
    values (p_worker_id, clock_timestamp() + make_interval(secs => p_seconds::double precision))
    on conflict (only_row) do update set worker_id = excluded.worker_id, until = excluded.until
      where f.worker_id = excluded.worker_id or f.until < clock_timestamp();
  return found;
end $$;
call secure_functions(array['claim_fleet_watch(uuid, numeric)']::regprocedure[], array['is_replaceable(placements, hosts)']::regprocedure[]);
grant execute on function claim_fleet_watch to agents_worker;
drop function leases_known_since, database_identity;
drop table lease_history;
