-- Up Migration

-- The tables admit nothing that the contract of the events (contracts/notification.ts) or a reader of the bus does not.
-- What was written before stays as it is until it changes.

alter table agents drop constraint agents_retired_at_check;
alter table agents add constraint agents_retired_at_in_years_1_to_9999
  check (retired_at >= '0001-01-01 00:00:00+00' and retired_at < '10000-01-01 00:00:00+00') not valid;
-- RabbitMQ refuses messages over 16 MiB, and with one of them everything behind it would wait.
alter table agents add constraint agents_texts_at_most_1_mib
  check (octet_length(name) + octet_length(version) + octet_length(capabilities::text) <= 1048576) not valid;
alter table instances add constraint instances_observed_generation_is_between_0_and_2_to_53
  check (observed_generation between 0 and 9007199254740991) not valid;

create function count_digits(p_number numeric) returns integer language sql immutable parallel safe as $$
  select length(trim(both '0' from translate(p_number::text, '-.', '')))
$$;

-- The first number that would arrive on the bus as another one. Readers hold numbers as IEEE doubles: whole ones beyond
-- 2^53 may be changed, the largest become infinite, and the smallest 0. Other fractions are rounded, as everywhere.
create function find_changed_number(p_json jsonb) returns numeric
language sql immutable parallel safe set extra_float_digits = 1 as $$
  select n from (
    select n, case when abs(n) between 1 and 1.7976931348623157e308 then n::float8::text::numeric end as arrives
    from (
      select (v #>> '{}')::numeric as n
      from jsonb_path_query(p_json,
        'strict $.** ? (@ > 9007199254740991 || @ < -9007199254740991 || (@ < 4.9e-324 && @ > -4.9e-324 && @ != 0))') v
      -- jsonb writes numbers without exponents, so that each of these has a long row of digits. Four times faster than
      -- to visit every number.
      where p_json::text ~ '\d{16}'
    ) beyond
  ) compared
  -- One of fewer digits is what JavaScript writes where PostgreSQL does not rely on ties going to the even double.
  where arrives is null or (n <> arrives and count_digits(n) >= count_digits(arrives))
  limit 1
$$;

create function refuse_unreadable_json(p_column text, p_json jsonb) returns void language plpgsql as $$
declare
  changed numeric;
begin
  if jsonb_path_exists(p_json, 'strict $.**{101}') then
    raise exception '% is nested more than 100 levels deep', p_column
      using errcode = 'check_violation', constraint = format('instances_%s_at_most_100_levels', p_column),
        hint = 'Many readers of JSON refuse that: flatten it, or write the inner part as a text.';
  end if;
  changed := find_changed_number(p_json);
  if changed is not null then
    raise exception '% holds a number that readers of JSON would change: %', p_column,
        case when length(changed::text) <= 60 then changed::text else left(changed::text, 40) || '...' end
      using errcode = 'check_violation', constraint = format('instances_%s_numbers_are_doubles', p_column),
        hint = 'They hold IEEE doubles, which are exact up to 2^53 and end at 1.8e308: write it as a text.';
  end if;
end $$;

-- Looks at what changes alone: the status of a row must not wait for its config to be read, nor fail for what is old.
create function instances_json() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or new.config is distinct from old.config then
    perform refuse_unreadable_json('config', new.config);
  end if;
  if tg_op = 'INSERT' or new.metadata - 'status_reason' is distinct from old.metadata - 'status_reason' then
    perform refuse_unreadable_json('metadata', new.metadata);
  elsif new.metadata is distinct from old.metadata then
    perform refuse_unreadable_json('metadata', new.metadata -> 'status_reason');
  end if;
  return new;
end $$;

create trigger instances_json before insert or update of config, metadata on instances
  for each row execute function instances_json();

-- Down Migration
drop trigger instances_json on instances;
drop function instances_json, refuse_unreadable_json, find_changed_number, count_digits;
alter table instances drop constraint instances_observed_generation_is_between_0_and_2_to_53;
alter table agents drop constraint agents_texts_at_most_1_mib;
alter table agents drop constraint agents_retired_at_in_years_1_to_9999;
alter table agents add constraint agents_retired_at_check check (isfinite(retired_at));
