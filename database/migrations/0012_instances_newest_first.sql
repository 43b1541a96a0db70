-- Up Migration

-- For lists of the instances of all users, read page by page.
create index instances_by_creation on instances (created_at, id);

-- Down Migration
drop index instances_by_creation;
