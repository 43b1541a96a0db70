-- Up Migration

-- Which rollouts moved an instance, for its owner. The sentence of a rollout's reason names instances of others, so it is left out.
create view instance_rollouts as
  select x.instance_id, x.rollout_id, r.version, r.status, r.reason ->> 'code' as reason_code, x.generation, x.reverted_generation
  from rollout_instances x join rollouts r on r.id = x.rollout_id;
grant select on instance_rollouts to user_backend;

-- Down Migration
drop view instance_rollouts;
