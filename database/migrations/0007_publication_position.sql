-- Up Migration

-- The place of an entry in the one order in which everything is published: 1, 2, 3, … without a gap, given by the broker
-- before it publishes. Unlike the id, it never turns up below one that was seen already, however late a writer commits.
alter table event_log add column position bigint unique;
update event_log set position = numbered.position
  from (select id, row_number() over (order by id) as position from event_log where published_at is not null) numbered
  where event_log.id = numbered.id;

-- Whose instance an entry is about; null for agents. A column, because an index on the expression would unpack the whole
-- notification, with up to 4 MiB of config, at each update of the entry.
alter table event_log add column user_id text generated always as (notification #>> '{row_data,user_id}') stored;
create index event_log_by_user on event_log (user_id, position) where position is not null and user_id is not null;

-- What has a position was about to be published when the broker ended: it goes first.
drop index event_log_unpublished;
create index event_log_unpublished on event_log (position, id) where published_at is null and rejected_reason is null;

-- Down Migration
drop index event_log_unpublished;
create index event_log_unpublished on event_log (id) where published_at is null and rejected_reason is null;
alter table event_log drop column user_id, drop column position;
