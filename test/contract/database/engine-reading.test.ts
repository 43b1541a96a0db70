import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { markPublished, takeUnpublished } from '../../../bridge/event-broker/event-log.ts';
import { readEngine } from '../../../database/engine-reading.ts';
import { openEventLog } from '../../support/event-log.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
let client: pg.Client;
beforeAll(async () => {
  log = await openEventLog();
  client = new pg.Client(log.databaseUrl);
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await log.close();
});

const publishAll = async (): Promise<void> => {
  const taken = await takeUnpublished(client, { maxEntries: 10_000, maxBytes: 1e9 });
  await markPublished(
    client,
    taken.map(({ id }) => id),
  );
};
const insertInstance = async (agentId: string): Promise<string> => {
  const { rows } = await client.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values ($1, $1) returning id',
    [agentId],
  );
  return rows[0]?.id ?? '';
};
const insertAgent = async (name: string): Promise<string> => {
  const { rows } = await client.query<{ id: string }>(
    `insert into agents (name, version, runtime) values ($1, '1', '{"kind": "process", "command": ["true"]}') returning id`,
    [name],
  );
  return rows[0]?.id ?? '';
};

test('the backlog is what event_broker has not published, also what an earlier leader had begun to publish', async () => {
  await publishAll();
  expect((await readEngine(client)).log).toEqual({ unpublished: 0, oldestSeconds: 0 });
  await insertInstance(randomUUID());
  const [first] = await takeUnpublished(client, { maxEntries: 1, maxBytes: 1e9 });
  await insertInstance(randomUUID());
  await client.query(`update event_log_entries set occurred_at = occurred_at - interval '1 hour' where id = $1`, [
    first?.id,
  ]);
  const { unpublished, oldestSeconds } = (await readEngine(client)).log;
  expect(unpublished).toBe(2);
  expect(oldestSeconds).toBeGreaterThanOrEqual(3_600);
  await publishAll();
  expect((await readEngine(client)).log).toEqual({ unpublished: 0, oldestSeconds: 0 });
});

test('instances are counted by status, reason and agent, and the oldest status is the one that changed first', async () => {
  await client.query('delete from instances');
  const crawler = await insertAgent('crawler');
  const one = await insertInstance(crawler);
  const other = await insertInstance(crawler);
  await insertInstance(randomUUID());
  const reason = { code: 'agent_exited', message: 'It ended.' };
  await client.query(`select record_instance_status($1, 'failed', 1, $2, null)`, [one, reason]);
  await client.query(`select record_instance_status($1, 'running', 1, null, null)`, [other]);
  const { instances } = await readEngine(client);
  const counts = instances.map(({ status, reason: code, agent, count }) => ({ status, reason: code, agent, count }));
  expect(counts).toHaveLength(3);
  expect(counts).toEqual(
    expect.arrayContaining([
      { status: 'failed', reason: 'agent_exited', agent: 'crawler', count: 1 },
      { status: 'running', reason: '', agent: 'crawler', count: 1 },
      { status: 'pending', reason: '', agent: '(unpublished)', count: 1 },
    ]),
  );
  for (const { oldestSeconds } of instances) expect(oldestSeconds).toBeGreaterThan(0);
});

test('agents beyond the hundred with the most instances are counted together', async () => {
  await client.query('delete from instances');
  for (let index = 0; index < 102; index += 1) {
    const agentId = await insertAgent(`agent ${index}`);
    await insertInstance(agentId);
    if (index < 100) await insertInstance(agentId);
  }
  const { instances } = await readEngine(client);
  expect(instances).toHaveLength(101);
  expect(instances.find(({ agent }) => agent === '(others)')?.count).toBe(2);
});

test('hosts are counted by what they do', async () => {
  await client.query(
    `insert into hosts (id, name, runtime, can_fence, lease_seconds, lease_until, draining_since, forgotten_at)
     values (gen_random_uuid(), 'a', 'process', true, 15, clock_timestamp() + interval '1 hour', null, null),
       (gen_random_uuid(), 'b', 'process', true, 15, clock_timestamp() + interval '1 hour', clock_timestamp(), null),
       (gen_random_uuid(), 'c', 'docker', true, 15, clock_timestamp() - interval '1 hour', clock_timestamp(), null),
       (gen_random_uuid(), 'd', 'docker', true, 15, clock_timestamp() - interval '1 hour', null, clock_timestamp())`,
  );
  expect((await readEngine(client)).hosts).toHaveLength(3);
  expect((await readEngine(client)).hosts).toEqual(
    expect.arrayContaining([
      { runtime: 'process', state: 'serving', count: 1 },
      { runtime: 'process', state: 'draining', count: 1 },
      { runtime: 'docker', state: 'lost', count: 1 },
    ]),
  );
});
