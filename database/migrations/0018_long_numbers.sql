-- Up Migration

-- A number takes up to 147,000 characters as text and a few bytes in jsonb: 17 kB of JSON, once cast to text, may take
-- gigabytes. So what numbers would take is bounded before anything casts them; the check constraints do.

-- The numbers that may take many more characters than bytes, or that an IEEE double may not hold, as an array. Those in between have
-- at most 16 digits before the point, and behind it as many as were written.
create function find_long_numbers(p_json jsonb) returns jsonb language sql immutable parallel safe as $$
  select jsonb_path_query_array(p_json,
    'strict $.** ? (@ > 9007199254740991 || @ < -9007199254740991 || (@ < 1e-16 && @ > -1e-16))')
$$;

-- How many characters these numbers take at most. What no double holds counts as much as the longest number.
create function count_characters(p_numbers jsonb) returns bigint language sql immutable parallel safe as $$
  select coalesce(sum(case
    when abs(n) > 1.7976931348623157e308 then 131072 + 16383
    when abs(n) >= 1 then 309 + scale(n)
    else scale(n) + 2 end), 0)
  from (select each.value::numeric as n from jsonb_array_elements(p_numbers) each) numbers
$$;

-- The first number that would arrive on the bus as another one. Readers hold numbers as IEEE doubles: whole ones beyond
-- 2^53 may be changed, the largest become infinite, and the smallest 0. Other fractions are rounded, as everywhere.
create or replace function find_changed_number(p_json jsonb) returns numeric
language sql immutable parallel safe set extra_float_digits = 1 as $$
  select n from (
    select n, case when abs(n) between 1 and 1.7976931348623157e308 then n::float8::text::numeric end as arrives
    -- Not jsonb_path_query: the time that it takes grows with the square of the number of its results.
    from (select each.value::numeric as n from jsonb_array_elements(find_long_numbers(p_json)) each) long
    where n > 9007199254740991 or n < -9007199254740991 or (n <> 0 and abs(n) < 4.9e-324)
  ) compared
  -- One of fewer digits is what JavaScript writes where PostgreSQL does not rely on ties going to the even double.
  where arrives is null or (n <> arrives and count_digits(n) >= count_digits(arrives))
  limit 1
$$;

create function refuse_long_numbers(p_json jsonb, p_limit integer, p_column text, p_constraint text) returns void
language plpgsql as $$
begin
  if count_characters(find_long_numbers(p_json)) > p_limit then
    raise exception '% holds numbers that take more than % bytes when they are written out', p_column, p_limit
      using errcode = 'check_violation', constraint = p_constraint,
        hint = 'PostgreSQL writes numbers without exponents: write them as texts.';
  end if;
end $$;

-- Looks at what changes alone: the status of a row must not wait for its config to be read, nor fail for what is old.
-- A number that readers would change is named first: it says more than the size does.
create or replace function instances_json() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or new.config is distinct from old.config then
    perform refuse_unreadable_json('config', new.config);
    perform refuse_long_numbers(new.config, 4194304, 'config', 'instances_config_at_most_4_mib');
  end if;
  if tg_op = 'INSERT' or new.metadata - 'status_reason' is distinct from old.metadata - 'status_reason' then
    perform refuse_unreadable_json('metadata', new.metadata);
    perform refuse_long_numbers(new.metadata, 65536, 'metadata', 'instances_metadata_at_most_64_kib');
  elsif new.metadata is distinct from old.metadata then
    perform refuse_unreadable_json('metadata', new.metadata -> 'status_reason');
    perform refuse_long_numbers(new.metadata -> 'status_reason', 65536, 'metadata', 'instances_metadata_at_most_64_kib');
  end if;
  return new;
end $$;

-- A runtime never reaches the bus, so that any number may be in it.
create function agents_json() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or new.capabilities is distinct from old.capabilities then
    perform refuse_long_numbers(new.capabilities, 1048576, 'capabilities', 'agents_texts_at_most_1_mib');
  end if;
  if tg_op = 'INSERT' or new.runtime is distinct from old.runtime then
    perform refuse_long_numbers(new.runtime, 1048576, 'runtime', 'agents_runtime_numbers_at_most_1_mib');
  end if;
  return new;
end $$;
create trigger agents_json before insert or update of capabilities, runtime on agents
  for each row execute function agents_json();

-- Down Migration
drop trigger agents_json on agents;
create or replace function find_changed_number(p_json jsonb) returns numeric
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

create or replace function instances_json() returns trigger language plpgsql as $$
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

drop function agents_json, refuse_long_numbers, count_characters, find_long_numbers;
