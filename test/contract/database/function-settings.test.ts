import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';

/** Our functions do not depend on the settings of the session that calls them, nor on objects that it can create. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let client: pg.Client;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  client = new pg.Client(log.databaseUrl);
  await client.connect();
});
afterEach(async () => {
  await client.query('drop schema if exists own cascade');
  await client.end();
});

/** The settings of an entry point, which also hold for every function that it calls. */
const settled = [
  'search_path=public, pg_temp',
  'standard_conforming_strings=on',
  'transform_null_equals=off',
  'DateStyle=ISO, MDY',
  'IntervalStyle=postgres',
  'TimeZone=UTC',
  'extra_float_digits=1',
];

async function functions(): Promise<{ name: string; is_entry: boolean; config: string[] }[]> {
  const { rows } = await log.query<{ name: string; is_entry: boolean; config: string[] }>(
    `select p.oid::regprocedure::text as name, p.prosecdef or p.prorettype = 'trigger'::regtype as is_entry,
       coalesce(p.proconfig, '{}') as config
     from pg_proc p where p.pronamespace = 'public'::regnamespace
       and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')`,
  );
  return rows;
}

test('each function has a search path of its own, and each entry point every setting that its work depends on', async () => {
  const all = await functions();
  expect(all.length).toBeGreaterThan(20);
  expect(all.filter(({ is_entry }) => is_entry).length).toBeGreaterThan(10);
  const faults = all.flatMap(({ name, is_entry, config }) =>
    (is_entry ? settled : settled.slice(0, 1)).filter((each) => !config.includes(each)).map((each) => [name, each]),
  );
  expect(faults).toEqual([]);
});

describe('a client with settings and a schema of its own first in its path', () => {
  const shadows = [
    `create function own.refuse_unreadable_json(text, jsonb) returns void language sql as 'select'`,
    `create function own.refuse_long_numbers(jsonb, integer, text, text) returns void language sql as 'select'`,
    `create function own.find_changed_number(jsonb) returns numeric language sql as 'select null::numeric'`,
    `create function own.find_long_numbers(jsonb) returns jsonb language sql as $$ select '[]'::jsonb $$`,
    `create function own.count_characters(jsonb) returns bigint language sql as 'select 0::bigint'`,
    `create function own.count_digits(numeric) returns integer language sql as 'select 0'`,
    `create function own.append_event(text, uuid, bigint, text, text, jsonb) returns void language sql as 'select'`,
    `create function own.is_renumbering(uuid, jsonb, jsonb) returns boolean language sql as 'select true'`,
    `create function own.never(jsonb, jsonb) returns boolean language sql as 'select false'`,
    `create operator own.<> (leftarg = jsonb, rightarg = jsonb, function = own.never)`,
    `create table own.event_log (like public.event_log)`,
    `create temp table event_log (like public.event_log)`,
    `create table own.audit_retention (only_row boolean, minimum_days integer)`,
  ];
  beforeEach(async () => {
    await client.query('create schema own');
    for (const shadow of shadows) await client.query(shadow);
    for (const setting of [
      'search_path = pg_temp, own, public',
      'standard_conforming_strings = off',
      'transform_null_equals = on',
      `datestyle = 'German'`,
      `intervalstyle = 'sql_standard'`,
      `timezone = 'Asia/Kathmandu'`,
      'extra_float_digits = -15',
    ]) {
      await client.query(`set ${setting}`);
    }
  });

  const insert = (config: string, id: string = randomUUID()) =>
    client.query('insert into instances (id, agent_id, user_id, config) values ($1, $1, $1, $2)', [id, config]);

  test.each([
    ['{"a": 9007199254740993}', 'instances_config_numbers_are_doubles'],
    ['{"a": [1e400]}', 'instances_config_numbers_are_doubles'],
    [`{"a": [${Array<string>(150_000).fill('1e300').join()}]}`, 'instances_config_at_most_4_mib'],
    [`${'{"a":'.repeat(102)}1${'}'.repeat(102)}`, 'instances_config_at_most_100_levels'],
  ])('cannot write what is refused to others: %.30s', async (config, constraint) => {
    await expect(insert(config)).rejects.toMatchObject({ code: '23514', constraint });
  });

  test('cannot change a row without an event, which is the one that others would have written', async () => {
    const [own, usual] = [randomUUID(), randomUUID()];
    await insert('{"a": 0.1}', own);
    await client.query(`update instances set desired_state = 'stopped' where id = $1`, [own]);
    await log.query(`insert into instances (id, agent_id, user_id, config) values ($1, $1, $1, '{"a": 0.1}')`, [usual]);
    await log.query(`update instances set desired_state = 'stopped' where id = $1`, [usual]);
    const eventsOf = async (id: string) => {
      const { rows } = await log.query<{ notification: object }>(
        'select notification from public.event_log where entity_id = $1 order by sequence',
        [id],
      );
      const times = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)/g;
      return JSON.stringify(rows).replaceAll(id, 'id').replace(times, 'time');
    };
    const events = await eventsOf(own);
    expect(events).toContain('time');
    expect(events).toBe(await eventsOf(usual));
    expect((await client.query('select from own.event_log union all select from pg_temp.event_log')).rowCount).toBe(0);
  });

  test('cannot pass an event for the record of a removal, and its entries have the hashes of others', async () => {
    const entry = (type: string) => ({
      event_id: randomUUID(),
      type,
      occurred_at: '2026-03-04T05:06:07.123Z',
      sequence: 1,
      agent_id: randomUUID(),
      correlation_id: randomUUID(),
      schema_version: 1,
      body: '{}',
    });
    const append = (...entries: object[]) =>
      client.query('select from append_audit_entries($1)', [JSON.stringify(entries)]);
    await expect(append(entry('audit_log.entries_removed'))).rejects.toMatchObject({
      constraint: 'audit_log_types_of_its_own',
    });
    await append(entry('agent.published'), entry('agent.published'));
    const { rows } = await log.query(
      `select from audit_log l where hash <> encode(sha256(convert_to(audit_text(l), 'UTF8')), 'hex')`,
    );
    expect(rows).toEqual([]);
  });
});
