-- Up Migration

-- What user_backend answered to a request that may be sent again: a key makes one instance, however often it comes.
create table idempotency_keys (
  user_id uuid not null,
  key text not null,
  -- Of the request that came first, so that another one under the same key is noticed.
  request_sha256 text not null,
  -- Null only inside of the transaction that makes the instance.
  answer jsonb,
  created_at timestamptz not null default clock_timestamp(),
  primary key (user_id, key)
);

create index idempotency_keys_by_age on idempotency_keys (created_at);

-- Down Migration
drop table idempotency_keys;
