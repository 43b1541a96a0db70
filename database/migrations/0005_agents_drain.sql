-- Up Migration

-- Whether the retirement of the agent stops its running instances; otherwise they go on.
alter table agents add column drain boolean not null default false;

-- Down Migration
alter table agents drop column drain;
