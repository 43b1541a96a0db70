-- Up Migration

-- What kind of runtime each agent needs, for readers that may not see agents.runtime: commands and environments are in
-- there. A view reads with the rights of its owner. A generated column would not do: agents_version compares old and
-- new rows before it is computed, so that every write would look like a change, and agents_notify would publish it.
create view agent_runtimes as select id as agent_id, runtime ->> 'kind' as runtime from agents;

-- Down Migration
drop view agent_runtimes;
