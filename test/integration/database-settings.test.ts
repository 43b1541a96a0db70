import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { serviceNames } from '../../contracts/access.ts';
import { createClient } from '../../database/engine-client.ts';
import { migrate } from '../../database/migrate.ts';
import { poolLimits } from '../../database/time-limits.ts';
import { startAdminBackend } from '../support/admin-backend.ts';
import { startUserBackend } from '../support/backends.ts';
import { runInstances } from '../support/command-line.ts';
import { startPgbouncer } from '../support/pgbouncer.ts';
import { useRig } from '../support/rig.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

/**
 * Every setting of a database that any of our statements could depend on, at a value that most of them do not expect. The limits
 * that hold until a connection is settled are longer than our clients wait for a connection.
 */
const hostile = {
  datestyle: `'German'`,
  intervalstyle: `'sql_standard'`,
  timezone: `'Asia/Kathmandu'`,
  extra_float_digits: '-15',
  bytea_output: `'escape'`,
  client_encoding: `'LATIN1'`,
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  quote_all_identifiers: 'on',
  exit_on_error: 'on',
  row_security: 'off',
  search_path: `'nowhere'`,
  default_transaction_isolation: `'serializable'`,
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  statement_timeout: `'6s'`,
  lock_timeout: `'1ms'`,
  idle_in_transaction_session_timeout: `'5ms'`,
};
/** Not behind PgBouncer: it hands out connections that the server is just ending, as PostgreSQL's documentation warns. */
const hostileToIdle = { ...hostile, idle_session_timeout: `'6s'` };

const rig = useRig();
let agentId: string;
const cleanUps: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  agentId = await rig.publishAgent();
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** For all connections made from now on but the rig's own, which has to see what is true. */
async function setHostile(settings: Record<string, string>): Promise<void> {
  const statements = Object.entries(settings).map(
    ([name, value]) => `execute format('alter database %I set ${name} to %s', current_database(), $v$${value}$v$);`,
  );
  // Connected before: the pool's connections made from now on are no better.
  const owner = await rig.connect();
  await owner.query(`do $$ begin ${statements.join(' ')} end $$`);
  cleanUps.push(() =>
    owner.query(`do $$ begin execute format('alter database %I reset all', current_database()); end $$`),
  );
}

/**
 * One life of an instance, through each of the services, the command line and the migrations.
 *
 * @returns what the services had to complain of
 */
async function liveOnce({ databaseUrl }: { databaseUrl: (url: string) => string }): Promise<unknown[]> {
  const environmentOf = (service: (typeof serviceNames)[number]) => {
    const environment = rig.environmentOf(service);
    const { DATABASE_URL } = environment;
    return { ...environment, DATABASE_URL: databaseUrl(DATABASE_URL), DATABASE_DIRECT_URL: DATABASE_URL };
  };
  const start = (entry: string, service: (typeof serviceNames)[number]) => {
    const started = startWorkerProcess(entry, environmentOf(service));
    cleanUps.push(() => started.kill('SIGTERM'));
    return started;
  };
  const broker = start('event-broker', 'event_broker');
  // The others would say that they wait for the queues that event_broker has not declared yet.
  await vi.waitFor(() => expect(broker.output()).toContain('event_broker is ready'), { timeout: 60_000 });
  const processes = [broker, start('agents-worker', 'agents_worker')];
  const users = await startUserBackend(rig, { DATABASE_URL: environmentOf('user_backend').DATABASE_URL });
  cleanUps.push(users.stop);
  const admins = await startAdminBackend(rig, { DATABASE_URL: environmentOf('admin_backend').DATABASE_URL });
  cleanUps.push(admins.stop);
  await admins.ready();

  const { api, userId } = await users.user();
  const create = () =>
    api('POST', '/v1/instances', {
      json: { agent_id: agentId, config: { ratio: 0.1234567890123, text: 'ä\\n' } },
      headers: { 'idempotency-key': key },
    });
  const key = randomUUID();
  const created = await create();
  expect(created.status).toBe(201);
  const id = String(created.body['id']);
  expect((await create()).body).toEqual(created.body);
  const createdAt = await rig.bus.until(id, 'instance.created');
  expect(createdAt.body).toMatchObject({ user_id: userId, config: { ratio: 0.1234567890123, text: 'ä\\n' } });
  await rig.bus.until(id, 'instance.updated', 'running');
  expect(await api('POST', `/v1/instances/${id}/stop`)).toMatchObject({ status: 200 });
  await rig.bus.until(id, 'instance.updated', 'stopped');
  const { body: listed } = await api('GET', '/v1/instances');
  expect(listed).toMatchObject({ instances: [{ id, status: 'stopped' }] });
  expect((await api('GET', `/v1/instances/${id}/timeline`)).status).toBe(200);

  const environment = { ...rig.environment, DATABASE_URL: databaseUrl(rig.environment.DATABASE_URL) };
  for (const args of [['list'], ['explain', id], ['audit', 'list', '--instance', id], ['delete', id]]) {
    expect(await runInstances(args, environment)).toMatchObject({ code: 0 });
  }
  await rig.bus.until(id, 'instance.deleted');
  await vi.waitFor(async () =>
    expect((await admins.call(`/v1/audit?instance_id=${id}&type=instance.deleted`)).body).toMatchObject({
      entries: [{ type: 'instance.deleted' }],
    }),
  );
  expect((await admins.call('/v1/audit/verification')).body).toMatchObject({ intact: true });
  expect(await migrate({ databaseUrl: rig.environment.DATABASE_URL })).toEqual([]);
  const printed = processes.flatMap(({ output }) => output().split('\n'));
  const logged = [...users.log, ...admins.log].map((line) => JSON.stringify(line));
  return [...rig.fatal, ...[...printed, ...logged].filter((line) => /trying again|\bbroke\b/.test(line))];
}

test('whatever the settings of the database are, every service works as ever', async () => {
  await setHostile(hostileToIdle);
  const settled = createClient({ connectionString: rig.environment.DATABASE_URL }, poolLimits.session);
  await settled.connect();
  cleanUps.push(() => settled.end());
  const { rows } = await settled.query(
    `select current_setting('idle_session_timeout') as idle, current_setting('statement_timeout') as statement,
       current_setting('lock_timeout') as lock`,
  );
  expect(rows).toEqual([{ idle: '0', statement: '10s', lock: '0' }]);
  expect(await liveOnce({ databaseUrl: (url) => url })).toEqual([]);
});

describe.skipIf(inject('pgbouncer') === null)('through PgBouncer, in transaction mode', () => {
  const startPooler = async () => {
    const urls = serviceNames.map((service) => rig.environmentOf(service).DATABASE_URL);
    const pooler = await startPgbouncer(inject('pgbouncer') ?? '', [rig.environment.DATABASE_URL, ...urls]);
    cleanUps.push(pooler.stop);
    return pooler;
  };

  test('every service works', async () => {
    const pooler = await startPooler();
    expect(await liveOnce({ databaseUrl: pooler.through })).toEqual([]);
  });

  test('whatever the settings of the database are, every service works', async () => {
    await setHostile(hostile);
    const pooler = await startPooler();
    expect(await liveOnce({ databaseUrl: pooler.through })).toEqual([]);
  });

  test('event_broker and the migrations say that they need a connection of their own', async () => {
    const { through } = await startPooler();
    const DATABASE_URL = through(rig.environmentOf('event_broker').DATABASE_URL);
    const broker = startWorkerProcess('event-broker', { ...rig.environmentOf('event_broker'), DATABASE_URL });
    expect(await broker.exit).toBe(1);
    expect(broker.output()).toMatch(/pooler.*DATABASE_DIRECT_URL/);
    await expect(migrate({ databaseUrl: through(rig.environment.DATABASE_URL) })).rejects.toThrow(
      /DATABASE_DIRECT_URL/,
    );
  });
});

test('a login that holds the lock of the migrations is named as what they wait for', async () => {
  const stranger = await rig.connect();
  await stranger.query('select pg_advisory_lock(7241865325823964)');
  cleanUps.push(() => stranger.query('select pg_advisory_unlock_all()'));
  await expect(migrate({ databaseUrl: rig.environment.DATABASE_URL, lockMs: 200 })).rejects.toThrow(
    /waited 0.2 s for a lock.*pg_locks/,
  );
});
