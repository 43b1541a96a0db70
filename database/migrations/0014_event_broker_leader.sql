-- Up Migration

-- Which event_broker leads. A row, because any login may take an advisory lock: only event_broker may write here. The
-- leader counts its beats; a standby takes over when the beats stand still, or when the connection of the holder has ended.
create table event_broker_leader (
  only_row boolean primary key default true check (only_row),
  -- Rises with each leader. A statement of a leader that was replaced finds no row of its own epoch.
  epoch bigint not null,
  beats bigint not null,
  -- Host and process of the leader; null when nobody leads.
  holder text,
  backend_pid integer,
  backend_start timestamptz,
  since timestamptz
);
insert into event_broker_leader (epoch, beats) values (0, 0);

-- All columns but the key.
grant select, update (epoch, beats, holder, backend_pid, backend_start, since) on event_broker_leader to event_broker;

-- Down Migration
drop table event_broker_leader;
