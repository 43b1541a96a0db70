-- Up Migration

-- What was answered to requests that carry a key, so that a repeat gets the same answer and does nothing. A key counts for
-- 24 hours; user_backend removes older ones.
create table idempotency_keys (
  user_id uuid not null,
  key text not null check (octet_length(key) between 1 and 255),
  request_hash bytea not null,
  -- The answer without its config, which a repeat brings with it. Null only within the transaction that takes the key.
  response jsonb,
  created_at timestamptz not null default clock_timestamp(),
  primary key (user_id, key)
);

create index idempotency_keys_by_age on idempotency_keys (created_at);

-- Down Migration
drop table idempotency_keys;
