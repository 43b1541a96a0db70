-- Up Migration

-- The entries that are not published yet, for metrics. Both parts are few, however long the log is, and the count ends at a limit, so that
-- a reader costs the same while event_broker is away for long.
create view event_log_backlog as
  with waiting as (
    (select id from event_log_waiting order by id limit 100000)
    union all
    (select id from event_log_publications
     where position > (select least(last_settled, last_given) from event_log_positions) and published_at is null and rejected_reason is null
     order by position limit 100000)
  )
  select least(count(*), 100000)::int as unpublished,
    -- Ids rise with time, as exactly as an age needs.
    greatest(coalesce(extract(epoch from clock_timestamp() - (
      select e.occurred_at from event_log_entries e where e.id = (select min(id) from waiting))), 0), 0)::float8 as oldest_seconds
  from waiting;
grant select on event_log_backlog to agents_worker;

-- Down Migration
drop view event_log_backlog;
