import { randomUUID } from 'node:crypto';
import pMap from 'p-map';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { listLimits, readUserLimit, removeLimit, setLimit, type LimitKey } from '../../../database/limits/limits.ts';
import { createDeploymentRows } from '../../support/deployment-rows.ts';
import { openEventLog } from '../../support/event-log.ts';
import { untilItWaits } from '../../support/until-it-waits.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
let rows: Awaited<ReturnType<typeof createDeploymentRows>>;
beforeAll(async () => {
  log = await openEventLog();
  rows = await createDeploymentRows(log.databaseUrl);
});
beforeEach(() => rows.pool.query('delete from instance_limits; delete from instances'));
afterAll(async () => {
  await rows.close();
  await log.close();
});

const limit = (scope: LimitKey['scope'], subject: string | null, atMost: number | null) =>
  setLimit(rows.pool, { scope, subject }, atMost);
const insert = (of: {
  userId?: string;
  agentId?: string;
  count?: number;
  database?: Pick<typeof rows.pool, 'query'>;
}) => {
  const { userId = randomUUID(), agentId = randomUUID(), count = 1, database = rows.pool } = of;
  return database.query('insert into instances (agent_id, user_id) select $1, $2 from generate_series(1, $3)', [
    agentId,
    userId,
    count,
  ]);
};
const countOf = async (userId: string): Promise<number> => {
  const { rows: counted } = await rows.pool.query<{ count: number }>(
    'select count(*)::int from instances where user_id = $1',
    [userId],
  );
  return counted[0]?.count ?? NaN;
};

test('a limit of a user refuses what exceeds it, a whole statement at once, and says what to do', async () => {
  const userId = randomUUID();
  await limit('user', userId, 3);
  await insert({ userId, count: 2 });
  await expect(insert({ userId, count: 2 })).rejects.toMatchObject({
    constraint: 'instances_limit_of_user',
    message: `The user ${userId} may have 3 instances at most`,
    hint: 'Delete instances, or have an administrator raise the limit.',
  });
  await insert({ userId });
  await expect(insert({ userId })).rejects.toThrow('may have 3 instances at most');
  expect(await countOf(userId)).toBe(3);
  await insert({ count: 10 });
});

test('a deletion makes room, and a limit below what is there removes nothing', async () => {
  const userId = randomUUID();
  await insert({ userId, count: 3 });
  await limit('user', userId, 1);
  await expect(insert({ userId })).rejects.toThrow('may have 1 instance at most');
  expect(await countOf(userId)).toBe(3);
  await rows.pool.query('delete from instances where user_id = $1', [userId]);
  await insert({ userId });
});

test('a limit of an agent counts the instances of all users', async () => {
  const agentId = randomUUID();
  await limit('agent', agentId, 2);
  await insert({ agentId });
  await insert({ agentId });
  await expect(insert({ agentId })).rejects.toMatchObject({ constraint: 'instances_limit_of_agent' });
});

test('an own limit comes before the one of all others, also where it is none', async () => {
  const [one, unlimited, other] = [randomUUID(), randomUUID(), randomUUID()];
  await limit('user', null, 1);
  await limit('user', one, 2);
  await limit('user', unlimited, null);
  await insert({ userId: one, count: 2 });
  await insert({ userId: unlimited, count: 20 });
  await insert({ userId: other });
  await expect(insert({ userId: other })).rejects.toThrow('may have 1 instance at most');
  expect(await readUserLimit(rows.pool, one)).toEqual({ atMost: 2, present: 2 });
  expect(await readUserLimit(rows.pool, unlimited)).toBeUndefined();
  expect(await readUserLimit(rows.pool, other)).toEqual({ atMost: 1, present: 1 });
  await removeLimit(rows.pool, { scope: 'user', subject: null });
  await insert({ userId: other });
  expect(await readUserLimit(rows.pool, other)).toBeUndefined();
});

test('an instance that changes to an agent, or to a user, counts there', async () => {
  const [agentId, userId] = [randomUUID(), randomUUID()];
  await limit('agent', agentId, 1);
  await limit('user', userId, 1);
  await insert({ agentId, userId });
  const mover = randomUUID();
  await insert({ userId: mover });
  const change = (column: string, id: string) =>
    rows.pool.query(`update instances set ${column} = $2 where user_id = $1`, [mover, id]);
  await expect(change('agent_id', agentId)).rejects.toMatchObject({ constraint: 'instances_limit_of_agent' });
  await expect(change('user_id', userId)).rejects.toMatchObject({ constraint: 'instances_limit_of_user' });
  await rows.pool.query(`update instances set config = '{"a": 1}', agent_id = agent_id where user_id = $1`, [userId]);
});

test('a hundred inserts at once fill a limit and never exceed it', async () => {
  const [userId, agentId] = [randomUUID(), randomUUID()];
  await limit('user', null, 40);
  await limit('agent', agentId, 30);
  const outcomes = await pMap(
    Array.from({ length: 100 }),
    (_, index) =>
      insert({ userId, ...(index % 2 === 0 && { agentId }), count: 1 }).then(
        () => 'inserted',
        (error: unknown) => (error as { constraint?: string }).constraint,
      ),
    { concurrency: 20 },
  );
  expect(outcomes.filter((outcome) => outcome === 'inserted')).toHaveLength(40);
  const refusals = outcomes.filter((outcome) => outcome !== 'inserted');
  expect(['instances_limit_of_user', 'instances_limit_of_agent']).toEqual(expect.arrayContaining(refusals));
  expect(await countOf(userId)).toBe(40);
  const { rows: ofAgent } = await rows.pool.query('select from instances where agent_id = $1', [agentId]);
  expect(ofAgent.length).toBeLessThanOrEqual(30);
});

test.each(['read committed', 'repeatable read', 'serializable'])(
  'the last place is given once where two transactions want it at %s',
  async (isolation) => {
    const userId = randomUUID();
    await limit('user', userId, 1);
    const [first, second] = [await rows.pool.connect(), await rows.pool.connect()];
    try {
      for (const client of [first, second]) {
        await client.query(`begin isolation level ${isolation}`);
        // It has its snapshot before the other commits.
        await client.query('select from instances limit 1');
      }
      await insert({ userId, database: first });
      const { result } = await untilItWaits(rows.pool, second, () => insert({ userId, database: second }));
      await first.query('commit');
      expect(await result).toMatchObject({ code: isolation === 'read committed' ? '23514' : '40001' });
      await second.query('rollback');
    } finally {
      first.release();
      second.release();
    }
    expect(await countOf(userId)).toBe(1);
  },
);

test('the canary of a deployment is let in', async () => {
  const agentId = randomUUID();
  await rows.pool.query(`insert into agents (id, name, version, runtime) values ($1, 'echo', '1', '{}')`, [agentId]);
  await limit('agent', agentId, 0);
  await limit('user', null, 0);
  const id = await rows.request(rows.builds.candidate, { canary_agent_id: agentId });
  const { rows: inserted } = await rows.pool.query<{ canary: string }>('select insert_canary($1) as canary', [id]);
  expect(inserted[0]?.canary).toEqual(expect.any(String));
  // Neither its id alone nor its user lets another one in.
  await expect(insert({ userId: id, agentId })).rejects.toMatchObject({ constraint: 'instances_limit_of_user' });
});

test('the greatest limit lets instances in', async () => {
  const [userId, agentId] = [randomUUID(), randomUUID()];
  await limit('user', userId, 2_147_483_647);
  await limit('agent', agentId, 2_147_483_647);
  await insert({ userId, agentId });
  expect(await readUserLimit(rows.pool, userId)).toEqual({ atMost: 2_147_483_647, present: 1 });
});

test('the nil UUID names nobody, so the limit of all others is neither changed nor removed by it', async () => {
  const nil = '00000000-0000-0000-0000-000000000000';
  await expect(limit('user', nil, 9)).rejects.toMatchObject({ constraint: 'instance_limits_subject_is_not_nil' });
  await limit('user', null, 1);
  await expect(limit('user', nil, 9)).rejects.toMatchObject({ constraint: 'instance_limits_subject_is_not_nil' });
  expect(await removeLimit(rows.pool, { scope: 'user', subject: nil })).toBeUndefined();
  await insert({ userId: nil });
  await expect(insert({ userId: nil })).rejects.toThrow('may have 1 instance at most');
  expect(await readUserLimit(rows.pool, nil)).toEqual({ atMost: 1, present: 1 });
});

test('a limit is found by an index among many', async () => {
  await rows.pool.query(
    `insert into instance_limits (scope, subject, at_most) select 'user', gen_random_uuid(), 5 from generate_series(1, 5000)`,
  );
  await rows.pool.query('analyze instance_limits');
  const client = await rows.pool.connect();
  const scans = async () => {
    await client.query('select pg_stat_force_next_flush()');
    await client.query('select');
    const { rows: found } = await client.query<{ tuples: number }>(
      `select seq_tup_read::int as tuples from pg_stat_user_tables where relname = 'instance_limits'`,
    );
    return found[0]?.tuples ?? NaN;
  };
  try {
    const before = await scans();
    await insert({ database: client });
    await readUserLimit(client, randomUUID());
    // Whether there is any limit at all is asked by reading the first row.
    expect((await scans()) - before).toBeLessThan(100);
  } finally {
    client.release();
  }
});

test('whoever writes rows in another way is held to a limit as well', async () => {
  const [userId, id] = [randomUUID(), randomUUID()];
  await limit('user', userId, 1);
  await rows.pool.query('insert into instances (id, agent_id, user_id) values ($1, $1, $2)', [id, userId]);
  const refused = { constraint: 'instances_limit_of_user' };
  const other = randomUUID();
  await rows.pool.query('insert into instances (id, agent_id, user_id) values ($1, $1, $2)', [other, randomUUID()]);
  const takeOver = `insert into instances (id, agent_id, user_id) values ($1, $1, $2)
    on conflict (id) do update set user_id = excluded.user_id`;
  await expect(rows.pool.query(takeOver, [other, userId])).rejects.toMatchObject(refused);
  await rows.pool.query(takeOver, [id, userId]);
  await expect(
    rows.pool.query(
      `merge into instances i using (select gen_random_uuid() as id from generate_series(1, 2)) n on i.id = n.id
       when not matched then insert (agent_id, user_id) values (n.id, '${userId}')`,
    ),
  ).rejects.toMatchObject(refused);
  await expect(
    rows.pool.query(
      `with gone as (delete from instances where id = $1 returning id)
       insert into instances (agent_id, user_id) select id, $2 from gone, generate_series(1, 2)`,
      [id, userId],
    ),
  ).rejects.toMatchObject(refused);
  // In one statement, a row may take the place of another one.
  await rows.pool.query(
    `with gone as (delete from instances where id = $1 returning id)
     insert into instances (agent_id, user_id) select id, $2 from gone`,
    [id, userId],
  );
  expect(await countOf(userId)).toBe(1);
});

test('a login of user_backend reads limits and is held to them, but cannot change them', async () => {
  const userId = randomUUID();
  await limit('user', userId, 0);
  const client = await rows.pool.connect();
  try {
    await client.query('set role user_backend');
    await expect(insert({ userId, database: client })).rejects.toMatchObject({ constraint: 'instances_limit_of_user' });
    await client.query('select from instance_limits');
    for (const statement of [
      'delete from instance_limits',
      'update instance_limits set at_most = 9',
      'delete from instance_limit_turns',
      `select check_instance_limit('user', '${userId}')`,
    ]) {
      await expect(client.query(statement)).rejects.toThrow('permission denied');
    }
  } finally {
    await client.query('reset role');
    client.release();
  }
});

test('limits are listed page by page', async () => {
  const ids = Array.from({ length: 3 }, randomUUID).toSorted();
  await Promise.all(ids.map((id) => limit('user', id, 1)));
  await limit('user', null, 5);
  await limit('agent', ids[0] ?? '', 7);
  const all = await listLimits(rows.pool, { limit: 10 });
  expect(all.map(({ scope, subject }) => [scope, subject])).toEqual([
    ['agent', ids[0]],
    ['user', null],
    ...ids.map((id) => ['user', id]),
  ]);
  const firstPage = await listLimits(rows.pool, { limit: 2 });
  expect(await listLimits(rows.pool, { after: firstPage[1], limit: 10 })).toEqual(all.slice(2));
  expect(await listLimits(rows.pool, { scope: 'user', limit: 10 })).toEqual(all.slice(1));
});
