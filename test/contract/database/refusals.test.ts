import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());

const insertInstance = async (config = '{}') => {
  const id = randomUUID();
  await log.query('insert into instances (id, agent_id, user_id, config) values ($1, $1, $1, $2)', [id, config]);
  return id;
};
const nested = (levels: number): string => '{"a":'.repeat(levels) + '{}' + '}'.repeat(levels);

describe('JSON that would not arrive as it was written is refused', () => {
  const numbers = {
    hint: 'They hold IEEE doubles, which are exact up to 2^53 and end at 1.8e308: write it as a text.',
    constraint: 'numbers_are_doubles',
  };
  const levels = {
    hint: 'Many readers of JSON refuse that: flatten it, or write the inner part as a text.',
    constraint: 'at_most_100_levels',
  };
  const changes = 'holds a number that readers of JSON would change:';
  test.each<[json: string, expected: { message: string; hint: string; constraint: string }]>([
    ['{"a": 9007199254740993}', { message: `${changes} 9007199254740993`, ...numbers }],
    ['{"a": [{"b": [-9007199254740993]}]}', { message: `${changes} -9007199254740993`, ...numbers }],
    ['{"a": 12345678901234567.5}', { message: `${changes} 12345678901234567.5`, ...numbers }],
    ['{"a": 123456789012345678901234567890}', { message: `${changes} 123456789012345678901234567890`, ...numbers }],
    ['{"a": 1e400}', { message: `${changes} 1${'0'.repeat(39)}...`, ...numbers }],
    ['{"a": -1.8e308}', { message: `${changes} -18${'0'.repeat(37)}...`, ...numbers }],
    ['{"a": 1e-400}', { message: `${changes} 0.${'0'.repeat(38)}...`, ...numbers }],
    [nested(101), { message: 'is nested more than 100 levels deep', ...levels }],
    [`{"a": ${'['.repeat(101)}${']'.repeat(101)}}`, { message: 'is nested more than 100 levels deep', ...levels }],
  ])('%s', async (json, { message, hint, constraint }) => {
    const id = await insertInstance();
    for (const column of ['config', 'metadata']) {
      const expected = { message: `${column} ${message}`, hint, constraint: `instances_${column}_${constraint}` };
      await expect(
        log.query(`insert into instances (agent_id, user_id, ${column}) values ($1, $1, $2)`, [id, json]),
      ).rejects.toMatchObject(expected);
      await expect(log.query(`update instances set ${column} = $2 where id = $1`, [id, json])).rejects.toMatchObject(
        expected,
      );
    }
    await expect(
      log.query(`update instances set metadata = jsonb_build_object('status_reason', $2::jsonb) where id = $1`, [
        id,
        json,
      ]),
    ).rejects.toMatchObject({ hint });
    expect(await log.expectDocumented()).toHaveLength(1);
  });

  test.each(['{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": NaN}'])('%s', async (json) => {
    await expect(insertInstance(json)).rejects.toThrow(/unsupported Unicode|invalid input syntax/);
  });
});

test('what was written before does not keep an instance from living on', async () => {
  const id = randomUUID();
  await log.query(`begin; set local session_replication_role = replica;
    insert into instances (id, agent_id, user_id, config, metadata)
    values ('${id}', '${id}', '${id}', '{"a": 1e400}', '{"a": 1e400}'); commit`);
  const { rows } = await log.query(
    `select outcome from record_instance_status($1, 'failed', 1, '{"code": "a"}', null)`,
    [id],
  );
  expect(rows).toEqual([{ outcome: 'recorded' }]);
  await log.query(`update instances set desired_state = 'stopped', config = config where id = $1`, [id]);
  await expect(
    log.query(`update instances set config = config || '{"b": 1}' where id = $1`, [id]),
  ).rejects.toMatchObject({ constraint: 'instances_config_numbers_are_doubles' });
});

test.each(['-1', '9007199254740992'])(
  'a status cannot speak of generation %s, which no event can say',
  async (generation) => {
    const id = await insertInstance();
    await expect(
      log.query('update instances set observed_generation = $2 where id = $1', [id, generation]),
    ).rejects.toMatchObject({ constraint: 'instances_observed_generation_is_between_0_and_2_to_53' });
  },
);

const years = 'agents_retired_at_in_years_1_to_9999';

test.each([
  ['capabilities', '[1]', 'agents_capabilities_are_texts'],
  ['capabilities', '[["chat"]]', 'agents_capabilities_are_texts'],
  ['capabilities', '{}', 'agents_capabilities_are_texts'],
  ['retired_at', '10000-01-01 00:00:00+00', years],
  ['retired_at', '20000-01-01 00:00:00+00', years],
  ['retired_at', '0001-12-31 23:59:59+00 BC', years],
  ['retired_at', '0044-03-15 00:00:00+00 BC', years],
  ['retired_at', 'infinity', years],
  ['retired_at', '-infinity', years],
  ['name', '', 'agents_name_check'],
  ['version', '', 'agents_version_check'],
  ['name', 'ä'.repeat(512 * 1024), 'agents_texts_at_most_1_mib'],
  ['capabilities', JSON.stringify(['x'.repeat(1024 * 1024)]), 'agents_texts_at_most_1_mib'],
])('an agent whose event could not be published is refused: %s %.30s', async (column, value, constraint) => {
  const { rows } = await log.query(`insert into agents (name, version, runtime) values ('a', '1', '{}') returning id`);
  await expect(
    log.query(`update agents set ${column} = $2 where id = $1`, [(rows[0] as { id: string }).id, value]),
  ).rejects.toMatchObject({ constraint });
});
