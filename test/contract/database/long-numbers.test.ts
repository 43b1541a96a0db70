import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';

/** Numbers that have a few bytes in JSON, and up to 147,000 when PostgreSQL writes them out. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let client: pg.Client;
let pid: number;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
/** Each test has a server process of its own, so that the memory of one test does not count for the next. */
beforeEach(async () => {
  client = new pg.Client(log.databaseUrl);
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  pid = rows[0]?.pid ?? 0;
});
afterEach(() => client.end());

/** The peak of the private memory of a server process in MiB; 0 if the server runs on another machine. */
function peakMemory(): number {
  if (!/^(127\.|localhost)/.test(new URL(inject('postgresUrl')).hostname)) return 0;
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  } catch {
    return 0;
  }
}

const listOf = (number: string, count: number): string => `{"a": [${Array<string>(count).fill(number).join(', ')}]}`;
const nestedIn = (json: string): string => `{"b": {"c": [[${json}]]}}`;

const bombs: [what: string, json: string][] = [
  ['1,900 of the largest numbers', listOf('1e131071', 1_900)],
  ['the largest numbers below zero', listOf('-1e131071', 1_900)],
  ['numbers that begin with digits', listOf('123.456e130000', 1_900)],
  ['the smallest numbers', listOf('1e-16383', 15_000)],
  ['zeros with many places', listOf('0e-16383', 15_000)],
  ['zeros with many places, below zero', listOf('-0.0e-16000', 15_000)],
  ['numbers that doubles hold', listOf('1e308', 150_000)],
  ['fractions that doubles hold', listOf('1e-300', 150_000)],
  ['numbers in objects in lists', nestedIn(listOf('1e131071', 1_900))],
  [
    'one long number among others',
    listOf('1', 1_000).replace('[', `[${Array<string>(1_900).fill('1e131071').join()},`),
  ],
];

const insertInstance = (config: string, metadata = '{}') =>
  client.query('insert into instances (id, agent_id, user_id, config, metadata) values ($1, $1, $1, $2, $3)', [
    randomUUID(),
    config,
    metadata,
  ]);

describe.each(bombs)('%s', (_, json) => {
  const writes: Readonly<Record<string, () => Promise<unknown>>> = {
    'the config of a new instance': () => insertInstance(json),
    'its metadata': () => insertInstance('{}', json),
    'another config, and a reason of a status': async () => {
      const id = randomUUID();
      await client.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1)', [id]);
      await expect(client.query('update instances set config = $2 where id = $1', [id, json])).rejects.toMatchObject({
        code: '23514',
      });
      await client.query(`select from record_instance_status($1, 'failed', 1, $2, null)`, [id, json]);
    },
    'the runtime of an agent': () =>
      client.query(`insert into agents (name, version, runtime) values ('a', '1', $1)`, [json]),
    'its capabilities': () =>
      client.query(`insert into agents (name, version, runtime, capabilities) values ('a', '1', '{}', $1)`, [
        `[${json}]`,
      ]),
  };

  test.each(Object.keys(writes))('in %s is refused before it is written out', async (where) => {
    const before = peakMemory();
    await expect(writes[where]?.()).rejects.toMatchObject({ code: '23514' });
    expect(peakMemory() - before).toBeLessThan(400);
  });
});

test('what cannot be said is named: the number, or how much all of them take', async () => {
  await expect(insertInstance(listOf('1e131071', 1_900))).rejects.toMatchObject({
    message: expect.stringMatching(/^config holds a number that readers of JSON would change: 1000/),
    constraint: 'instances_config_numbers_are_doubles',
  });
  await expect(insertInstance(listOf('1e308', 150_000))).rejects.toMatchObject({
    message: 'config holds numbers that take more than 4194304 bytes when they are written out',
    constraint: 'instances_config_at_most_4_mib',
  });
  await expect(insertInstance('{}', listOf('1e308', 1_000))).rejects.toMatchObject({
    constraint: 'instances_metadata_at_most_64_kib',
  });
});

test('as many long numbers as fit are taken, and so is any number of short ones', async () => {
  await insertInstance(listOf('1e308', 12_000), listOf('1e-300', 150));
  await insertInstance(listOf('0', 400_000));
  await insertInstance(listOf('0.5', 400_000));
  const agent = client.query(`insert into agents (name, version, runtime) values ('a', '1', $1)`, [
    '{"a": [1e131071, 0.1, 1e-400, 9007199254740993]}',
  ]);
  await expect(agent).resolves.toMatchObject({ rowCount: 1 });
});

test('a great many numbers of 17 digits are read in a time that grows with their number', async () => {
  await client.query(`set statement_timeout = '20s'`);
  await expect(
    insertInstance(listOf('9007199254740994', 200_000).replace('}', ', "b": 9007199254740993}')),
  ).rejects.toMatchObject({
    constraint: 'instances_config_numbers_are_doubles',
  });
});
