import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { desiredStates, eventTypes, instanceStatuses, reasonCodes } from '../../../contracts/names.ts';
import { openEventLog } from '../../support/event-log.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
beforeAll(async () => {
  log = await openEventLog();
});
afterEach(() => log.query('reset all'));
afterAll(() => log.close());

const insertInstance = async (fields: { id?: string; config?: string } = {}): Promise<string> => {
  const { id = randomUUID(), config = '{}' } = fields;
  await log.query('insert into instances (id, agent_id, user_id, config) values ($1, $1, $1, $2)', [id, config]);
  return id;
};
const insertAgent = async ({ name = 'echo', version = '1', capabilities = '[]', runtime = '{}' } = {}) => {
  const id = randomUUID();
  await log.query('insert into agents (id, name, version, capabilities, runtime) values ($1, $2, $3, $4, $5)', [
    id,
    name,
    version,
    capabilities,
    runtime,
  ]);
  return id;
};
const update = (table: 'agents' | 'instances', id: string, assignment: string, ...values: unknown[]) =>
  log.query(`update ${table} set ${assignment} where id = $1`, [id, ...values]);
const typesWritten = async () => (await log.expectDocumented()).map(({ metadata }) => metadata.type);

/** The events of the catalog. If no write here produced one of them, it would never be published. */
const eventsOf = (domain: string) => new Set<string>(eventTypes.filter((type) => type.startsWith(`${domain}.`)));

describe('every kind of write is an event of the documented form', () => {
  test('of an instance, from its insert to the next one of its id', async () => {
    const id = await insertInstance();
    for (const desired of desiredStates.toReversed()) await update('instances', id, 'desired_state = $2', desired);
    await update('instances', id, `config = '{"a": 1}', agent_id = gen_random_uuid(), user_id = gen_random_uuid()`);
    await update('instances', id, `metadata = '{"note": 1}'`);
    await update('instances', id, `status = 'running'`);
    await log.query('delete from instances where id = $1', [id]);
    await log.query('select record_final_status($1, null)', [id]);
    await insertInstance({ id });
    const written = await typesWritten();
    const updates = Array<string>(5).fill('instance.updated');
    const ends = ['instance.deleted', 'instance.updated', 'instance.created'];
    expect(written).toEqual(['instance.created', ...updates, ...ends]);
    expect(new Set(written)).toEqual(eventsOf('instance'));
  });

  test.each(instanceStatuses)('of the engine: %s, for every reason, and for none', async (status) => {
    const id = await insertInstance();
    const cause = {
      event_id: randomUUID(),
      correlation_id: randomUUID(),
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    };
    const reasons = [...reasonCodes.map((code) => ({ code, message: 'Zu spät. “完了” 🙃' })), null];
    for (const reason of reasons) {
      await log.query('select record_instance_status($1, $2, 1, $3, $4)', [id, status, reason, cause]);
    }
    const [, ...events] = await log.expectDocumented();
    expect(events.map(({ body }) => (body as { metadata: object }).metadata)).toEqual(
      reasons.map((reason) => (reason ? { status_reason: reason } : {})),
    );
    expect(events[0]?.metadata).toMatchObject({ causationId: cause.event_id, correlationId: cause.correlation_id });
  });

  test('of an instance that is placed on a host: its events name the host, and the placement alone is no event', async () => {
    const [id, host] = [await insertInstance(), randomUUID()];
    await log.query(`select renew_host_lease($1, 'a host', 'process', '{}', null, true, 60, $1, 'a build')`, [host]);
    await log.query('select adopt_instances($1, $2)', [host, [id]]);
    await log.query(`select record_instance_status($1, 'running', 1, null, null)`, [id]);
    await log.query('select forget_placement($1, $2)', [id, host]);
    await update('instances', id, `metadata = '{"note": 1}'`);
    await log.query('select adopt_instances($1, $2)', [host, [id]]);
    await log.query('delete from instances where id = $1', [id]);
    await log.query('select record_final_status($1, null)', [id]);
    const events = await log.expectDocumented();
    expect(events.map(({ metadata, body }) => [metadata.type, (body as { host_id?: unknown }).host_id])).toEqual([
      ['instance.created', null],
      ['instance.updated', host],
      ['instance.updated', null],
      ['instance.deleted', host],
      ['instance.updated', host],
    ]);
  });

  test('of an agent, from its insert to the next one', async () => {
    const id = await insertAgent();
    await update('agents', id, `version = '2'`);
    await update('agents', id, 'retired_at = now()');
    await update('agents', id, 'drain = true');
    await update('agents', id, 'retired_at = null');
    await log.query('delete from agents where id = $1', [id]);
    const written = await typesWritten();
    const [published, retired] = ['agent.published', 'agent.retired'];
    expect(written).toEqual([published, published, retired, retired, published, retired]);
    expect(new Set(written)).toEqual(eventsOf('agent'));
  });
});

test.each([
  '00000000-0000-0000-0000-000000000000',
  '11111111-1111-1111-1111-111111111111',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'ABCDEF01-2345-6789-ABCD-EF0123456789',
  '{0190163d8694739baea5966c26f8ad91}',
])('an id may have any bits of version and variant: %s', async (id) => {
  await insertInstance({ id });
  await log.query('delete from instances where id = $1', [id]);
  await log.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{}')`, [id]);
  await log.query('delete from agents where id = $1', [id]);
  expect(await typesWritten()).toEqual(['instance.created', 'instance.deleted', 'agent.published', 'agent.retired']);
});

test.each<[what: string, fields: Parameters<typeof insertAgent>[0]]>([
  ['no capability', { capabilities: '[]' }],
  [
    'many capabilities',
    { capabilities: JSON.stringify(Array.from({ length: 10_000 }, (_, index) => `tool-${index}`)) },
  ],
  [
    'texts of any writing',
    { name: '🤖 עוזר\u2028', version: '1.0.0-β+構築', capabilities: '["", "\u0301", "チャット"]' },
  ],
  ['texts of blanks', { name: ' ', version: '\t' }],
  ['a runtime of numbers that no double holds', { runtime: '{"a": [1e-400, 9007199254740993]}' }],
])('an agent with %s is an event of the documented form', async (_, fields) => {
  await insertAgent(fields);
  const [published] = await log.expectDocumented();
  const { name = 'echo', version = '1', capabilities = '[]' } = fields ?? {};
  expect(published?.body).toMatchObject({ name, version, capabilities: JSON.parse(capabilities) as string[] });
});

test.each([
  ['0001-01-01 00:00:00+00', '0001-01-01T00:00:00.000Z'],
  ['0044-02-29 23:59:59.9999+00', '0044-02-29T23:59:59.999Z'],
  ['1900-01-01 00:00:00+00:19:32', '1899-12-31T23:40:28.000Z'],
  ['2024-02-29 12:00:00.123456+05:30', '2024-02-29T06:30:00.123Z'],
  ['9999-12-31 23:59:59.999999+00', '9999-12-31T23:59:59.999Z'],
])('an agent may be retired at %s', async (written, retiredAt) => {
  const id = await insertAgent();
  await update('agents', id, 'retired_at = $2', written);
  await log.query('delete from agents where id = $1', [id]);
  const [, retired, deleted] = await log.expectDocumented();
  expect([retired?.body, deleted?.body]).toMatchObject([{ retired_at: retiredAt }, { retired_at: retiredAt }]);
});

test.each([
  { timezone: 'Asia/Kolkata', datestyle: 'German' },
  { timezone: 'Pacific/Kiritimati', datestyle: 'SQL, DMY', extra_float_digits: '-15' },
  { timezone: 'America/St_Johns', datestyle: 'Postgres', client_encoding: 'LATIN1' },
  { timezone: '-15:59', bytea_output: 'escape', standard_conforming_strings: 'off' },
])('settings of the session change nothing: %j', async (settings) => {
  for (const [name, value] of Object.entries(settings))
    await log.query('select set_config($1, $2, false)', [name, value]);
  const config = '{"double": 0.30000000000000004, "whole": 1180591620717411300000}';
  const id = await insertInstance({ config });
  await log.query(`select record_instance_status($1, 'failed', 1, '{"code": "restarting", "message": ""}', null)`, [
    id,
  ]);
  await log.query('delete from instances where id = $1', [id]);
  await log.query('select record_final_status($1, null)', [id]);
  await update('agents', await insertAgent(), 'retired_at = now(), drain = true');
  await log.query('reset all');
  const [created] = await log.expectDocumented();
  expect(created?.body).toMatchObject({ config: JSON.parse(config) as object });
  const body = created?.body as { created_at: string } | undefined;
  expect(Math.abs(Date.parse(body?.created_at ?? '') - Date.now())).toBeLessThan(60_000);
});

test('every column of an instance makes versions and events, but for its host and the count of its last status', async () => {
  const { rows } = await log.query<{ columns: string[] }>(
    `select array_agg(c.column_name::text order by c.column_name) as columns from information_schema.columns c
     where c.table_schema = current_schema() and c.table_name = 'instances' and not exists (
       select from information_schema.triggered_update_columns t
       where t.trigger_name = 'instances_version' and t.event_object_column = c.column_name
         and t.event_object_table = c.table_name and t.trigger_schema = c.table_schema)`,
  );
  expect(rows).toEqual([{ columns: ['host_id', 'status_sequence'] }]);
  const { rows: notifying } = await log.query<{ count: number }>(
    `select count(*)::int as count from information_schema.triggered_update_columns
     where trigger_schema = current_schema() and trigger_name = 'instances_notify'`,
  );
  expect(notifying).toEqual([{ count: 16 }]);
});
