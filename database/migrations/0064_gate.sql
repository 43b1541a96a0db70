-- Up Migration

-- A build of agents_worker looks whether the database has the migrations that it was made for.
grant select on migrations to agents_worker;

-- Down Migration
revoke select on migrations from agents_worker;
