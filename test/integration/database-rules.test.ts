import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { useRig } from '../support/rig.ts';

const rig = useRig();

const sequencesOf = async (id: string): Promise<number[]> => {
  const { rows } = await rig.pool.query<{ sequence: number }>(
    'select sequence::int from event_log where entity_id = $1 order by id',
    [id],
  );
  return rows.map(({ sequence }) => sequence);
};
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const update = (id: string, assignment: string) =>
  rig.pool.query(`update instances set ${assignment} where id = $1`, [id]);

test('concurrent writers of one row keep its sequence contiguous, in the order of the log', async () => {
  const id = await rig.insertInstance(randomUUID());
  const writers = await Promise.all([1, 2, 3, 4].map(() => rig.connect()));
  await Promise.all(
    writers.map(async (writer, number) => {
      for (let round = 0; round < 25; round += 1) {
        await writer.query('update instances set config = jsonb_build_object($2::text, $3::int) where id = $1', [
          id,
          `writer ${number}`,
          round,
        ]);
      }
    }),
  );
  expect(await sequencesOf(id)).toEqual(upTo(101));
});

test('one transaction with several rows numbers each row by itself', async () => {
  const [a, b] = [await rig.insertInstance(randomUUID()), await rig.insertInstance(randomUUID())];
  const client = await rig.connect();
  await client.query('begin');
  await client.query(`update instances set desired_state = 'stopped' where id = any($1)`, [[a, b]]);
  await client.query(`update instances set desired_state = 'running' where id = $1`, [a]);
  await client.query('delete from instances where id = $1', [a]);
  await client.query('commit');
  expect([await sequencesOf(a), await sequencesOf(b)]).toEqual([upTo(4), upTo(2)]);
});

test('a transaction that is rolled back leaves nothing, and no gap', async () => {
  const id = await rig.insertInstance(randomUUID());
  const client = await rig.connect();
  await client.query('begin');
  await client.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
  await client.query('delete from instances where id = $1', [id]);
  await client.query('rollback');
  expect(await sequencesOf(id)).toEqual([1]);
  await update(id, `desired_state = 'stopped'`);
  expect(await sequencesOf(id)).toEqual([1, 2]);
});

test('tens of thousands of rows come and go in one statement', async () => {
  const userId = randomUUID();
  await rig.pool.query('insert into instances (agent_id, user_id) select $1, $1 from generate_series(1, 20000)', [
    userId,
  ]);
  await rig.pool.query('delete from instances where user_id = $1', [userId]);
  const { rows } = await rig.pool.query(
    `select count(*)::int as entries, count(distinct entity_id)::int as instances, max(sequence)::int as last
     from event_log where notification -> 'row_data' ->> 'user_id' = $1`,
    [userId],
  );
  expect(rows).toEqual([{ entries: 40_000, instances: 20_000, last: 2 }]);
}, 60_000);

test.each([
  ['instances', 'The id of an instance cannot change', 'Insert a new instance and delete this one.'],
  ['agents', 'The id of an agent cannot change', 'Insert a new agent and retire this one.'],
])('an id in %s cannot change, and the error says what to do instead', async (table, message, hint) => {
  const agentId = await rig.publishAgent();
  const id = table === 'agents' ? agentId : await rig.insertInstance(agentId);
  await expect(rig.pool.query(`update ${table} set id = gen_random_uuid() where id = $1`, [id])).rejects.toMatchObject({
    message,
    hint,
  });
  expect(await sequencesOf(id)).toEqual([1]);
});

test.each(['instances', 'agents'])(
  'TRUNCATE of %s is refused, and the error says what to do instead',
  async (table) => {
    await expect(rig.pool.query(`truncate ${table} cascade`)).rejects.toMatchObject({
      message: `TRUNCATE ${table} would end instances without cleaning them up`,
      hint: 'Use DELETE, which emits an event for every row.',
    });
  },
);

const configOf = (bytes: number): object => ({ pad: 'x'.repeat(bytes - '{"pad": ""}'.length) });

test('a config of exactly 4 MiB is taken; one byte more is refused by name', async () => {
  const id = await rig.insertInstance(randomUUID(), configOf(4 * 1024 * 1024));
  expect(await sequencesOf(id)).toEqual([1]);
  await expect(rig.insertInstance(randomUUID(), configOf(4 * 1024 * 1024 + 1))).rejects.toMatchObject({
    constraint: 'instances_config_at_most_4_mib',
  });
});

test('metadata over 64 KiB is refused by name', async () => {
  const id = await rig.insertInstance(randomUUID());
  const write = (bytes: number) =>
    rig.pool.query('update instances set metadata = $2 where id = $1', [id, configOf(bytes)]);
  await write(64 * 1024);
  await expect(write(64 * 1024 + 1)).rejects.toMatchObject({ constraint: 'instances_metadata_at_most_64_kib' });
});

test.each(['[]', 'null', '"text"', '7'])('a config that is %s is refused', async (config) => {
  await expect(
    rig.pool.query('insert into instances (agent_id, user_id, config) values ($1, $1, $2)', [randomUUID(), config]),
  ).rejects.toMatchObject({ code: '23514' });
});
