import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { dropDatabase } from '../../support/databases.ts';
import { withPath } from '../../support/with-path.ts';

/** The migration to versions of agents, on a database of the release before it, with what that release left there. */

const dir = fileURLToPath(new URL('../../../database/migrations', import.meta.url));
const before = readdirSync(dir).filter((file) => file < '0060').length;
let name: string;
let client: pg.Client;

const run = (direction: 'up' | 'down', count: number) =>
  runner({ dbClient: client, dir, direction, count, migrationsTable: 'migrations', log: () => undefined });

beforeEach(async () => {
  name = `test_${randomUUID().replaceAll('-', '')}`;
  const admin = new pg.Client(inject('postgresUrl'));
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  client = new pg.Client(withPath(inject('postgresUrl'), name));
  await client.connect();
  await run('up', before);
});
afterEach(async () => {
  await client.end();
  await dropDatabase(inject('postgresUrl'), name);
});

/** Everything that a row had before the migration, and the log. */
const readWorld = async () => {
  const { rows: instances } = await client.query(
    `select to_jsonb(i) - array['agent_version', 'running_version', 'version_policy', 'status_changed_at', 'status_sequence'] as row
     from instances i order by id`,
  );
  const { rows: agents } = await client.query(
    `select to_jsonb(a) - array['stable_version', 'rollout'] as row from agents a order by id`,
  );
  const { rows: log } = await client.query('select * from event_log order by id');
  return { instances, agents, log };
};

/** Functions with their settings and rights, triggers, columns, views and constraints. */
const readSchema = async () => {
  const { rows } = await client.query<{ what: string }>(
    `select concat_ws(' ', 'function', p.oid::regprocedure, p.prosecdef, p.proacl, p.prosrc, array(
         select c.setting from unnest(p.proconfig) c (setting) order by 1)) as what from pg_proc p
       where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
     union all select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t where not t.tgisinternal
     union all select format('column %s %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
         a.attnotnull, a.attacl, pg_get_expr(d.adbin, d.adrelid)) from pg_attribute a join pg_class c on c.oid = a.attrelid
       left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
       where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
     union all select 'constraint ' || k.conname || pg_get_constraintdef(k.oid) from pg_constraint k
       where k.connamespace = 'public'::regnamespace order by 1`,
  );
  return rows.map(({ what }) => what);
};

test('gives each row what it ran, changes nothing else, and makes no event; and it can be undone', async () => {
  const [agent, retired, absent] = [randomUUID(), randomUUID(), randomUUID()];
  for (const id of [agent, retired]) {
    await client.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{"kind": "process"}')`, [
      id,
    ]);
    await client.query(`update agents set version = $2, capabilities = '["chat"]' where id = $1`, [id, `of ${id}`]);
  }
  await client.query('update agents set retired_at = now(), drain = true where id = $1', [retired]);
  const insert = async (agentId: string, ...statuses: string[]): Promise<string> => {
    const id = randomUUID();
    const config = JSON.stringify({ pad: randomUUID().repeat(1_000) });
    await client.query('insert into instances (id, agent_id, user_id, config) values ($1, $2, $1, $3)', [
      id,
      agentId,
      config,
    ]);
    for (const status of statuses) {
      await client.query('select record_instance_status($1, $2, 1, null, null)', [id, status]);
    }
    return id;
  };
  const running = await insert(agent, 'running');
  const restarting = await insert(agent, 'running', 'pending');
  const ofRetired = await insert(retired, 'running');
  const failed = await insert(agent, 'failed');
  const waiting = await insert(absent, 'pending');
  const orphaned = await insert(absent, 'running');
  const deleted = await insert(agent, 'running');
  await client.query('delete from instances where id = $1', [deleted]);
  const [world, schema] = [await readWorld(), await readSchema()];

  await run('up', 1);
  expect(await readWorld()).toEqual(world);
  const { rows } = await client.query<{ id: string }>(
    `select id, agent_version, running_version, version_policy, status_changed_at = updated_at as "isOld" from instances`,
  );
  const rowOf = (id: string, agent_version: string | null, running_version: string | null) => ({
    id,
    agent_version,
    running_version,
    version_policy: 'follow',
    isOld: true,
  });
  const version = `of ${agent}`;
  expect(rows).toHaveLength(6);
  expect(rows).toEqual(
    expect.arrayContaining([
      rowOf(running, version, version),
      rowOf(restarting, version, null),
      rowOf(ofRetired, `of ${retired}`, `of ${retired}`),
      rowOf(failed, version, null),
      rowOf(waiting, null, null),
      rowOf(orphaned, null, null),
    ]),
  );
  const { rows: versions } = await client.query(
    `select v.version = a.version and v.version = a.stable_version and v.capabilities = a.capabilities and v.runtime = a.runtime
       and v.withdrawn_at is null as same from agent_versions v join agents a on a.id = v.agent_id`,
  );
  expect(versions).toEqual([{ same: true }, { same: true }]);

  // A repeat of what the worker said before the migration says nothing new, and the last event of a row that is gone still comes.
  await client.query(`select record_instance_status($1, 'running', 1, null, null)`, [running]);
  expect(await readWorld()).toEqual(world);
  await client.query('select record_final_status($1, null)', [deleted]);
  expect((await readWorld()).log).toHaveLength(world.log.length + 1);

  const after = await readWorld();
  await run('down', 1);
  expect([await readWorld(), await readSchema()]).toEqual([after, schema]);
  await run('up', 1);
  expect(await readWorld()).toEqual(after);
});

test('says which agent to change where the version of an agent is too long to be one', async () => {
  const id = randomUUID();
  await client.query(`insert into agents (id, name, version, runtime) values ($1, 'a', repeat('x', 1025), '{}')`, [id]);
  await expect(run('up', 1)).rejects.toThrow(`The version of the agent ${id} has more than 1024 bytes`);
  await client.query('rollback');
  await client.query(`update agents set version = '1' where id = $1`, [id]);
  await run('up', 1);
});
