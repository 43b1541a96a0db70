-- The service `database` of docker-compose.yml runs this as the superuser at every start. It creates missing logins and databases, and
-- gives the logins the passwords of the environment. No service logs in as the superuser afterwards.
\set ON_ERROR_STOP on
\getenv engine_password ENGINE_DATABASE_PASSWORD
\getenv temporal_password TEMPORAL_DATABASE_PASSWORD

-- A statement that fails would be written to the server's log together with its password.
set log_min_error_statement = panic;
set log_statement = none;

select format('create role %I nologin', name)
from unnest(array['engine', 'temporal', 'event_broker', 'agents_worker', 'user_backend', 'admin_backend', 'deployer']) as name
where not exists (select from pg_roles where rolname = name) \gexec

-- The owner of shared_psql. It sets the passwords of the services' roles, for which it needs the right to administer them.
alter role engine login createrole password :'engine_password';
grant event_broker, agents_worker, user_backend, admin_backend, deployer to engine with admin true, inherit false, set false;
-- A function of the audit log sets this parameter for itself. Only a superuser may grant the right to a custom parameter.
grant set on parameter "audit_log.removes" to engine;
alter role temporal login password :'temporal_password';

select format('create database %I owner %I', name, owner)
from (values ('shared_psql', 'engine'), ('temporal', 'temporal'), ('temporal_visibility', 'temporal')) as wanted (name, owner)
where not exists (select from pg_database where datname = name) \gexec

-- A login that may connect to a database can listen to its notifications and take advisory locks in it.
revoke all on database postgres, shared_psql, temporal, temporal_visibility from public;
grant connect on database shared_psql to event_broker, agents_worker, user_backend, admin_backend, deployer;
