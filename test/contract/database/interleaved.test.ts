import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';
import { untilItWaits } from '../../support/until-it-waits.ts';

/** Of two concurrent transactions, one holds a lock that the other waits for. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let first: pg.Client;
let second: pg.Client;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  [first, second] = [new pg.Client(log.databaseUrl), new pg.Client(log.databaseUrl)];
  await Promise.all([first.connect(), second.connect()]);
});
afterEach(() => Promise.all([first.end(), second.end()]));

const isolationLevels = ['repeatable read', 'serializable'] as const;
const tables = ['instances', 'agents'] as const;
type Table = (typeof tables)[number];

const insertOf: Readonly<Record<Table, string>> = {
  instances: 'insert into instances (id, agent_id, user_id) values ($1, $1, $1)',
  agents: `insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{}')`,
};
const conflictOf: Readonly<Record<Table, string>> = {
  instances: `on conflict (id) do update set config = '{"again": true}'`,
  agents: `on conflict (id) do update set version = '2'`,
};
const changeOf: Readonly<Record<Table, string>> = {
  instances: `update instances set config = '{"a": 1}' where id = $1`,
  agents: `update agents set name = 'b' where id = $1`,
};
const insert = (client: Pick<pg.Client, 'query'>, table: Table, id: string) => client.query(insertOf[table], [id]);
const remove = (client: Pick<pg.Client, 'query'>, table: Table, id: string) =>
  client.query(`delete from ${table} where id = $1`, [id]);

async function eventsOf(id: string): Promise<[string, number][]> {
  const { rows } = await log.query<{ type: string; sequence: number }>(
    `select notification ->> 'event_type' as type, sequence::int from event_log where entity_id = $1 order by sequence`,
    [id],
  );
  return rows.map(({ type, sequence }) => [type, sequence]);
}

describe.each(tables)('an id of %s that one transaction gives up and another one takes', (table) => {
  test('is deleted by the first: the insert that waited goes on after its events', async () => {
    const id = randomUUID();
    await insert(log, table, id);
    await first.query('begin');
    await remove(first, table, id);
    const { result } = await untilItWaits(log, second, () => insert(second, table, id));
    await first.query('commit');
    expect(await result).toMatchObject({ rowCount: 1 });
    expect(await eventsOf(id)).toEqual([
      ['insert', 1],
      ['delete', 2],
      ['insert', 3],
    ]);
    const { rows } = await log.query(`select sequence::int from ${table} where id = $1`, [id]);
    expect(rows).toEqual([{ sequence: 3 }]);
  });

  test('is made, changed and deleted by the first', async () => {
    const id = randomUUID();
    await first.query('begin');
    await insert(first, table, id);
    await first.query(changeOf[table], [id]);
    await remove(first, table, id);
    const { result } = await untilItWaits(log, second, () => insert(second, table, id));
    await first.query('commit');
    expect(await result).toMatchObject({ rowCount: 1 });
    expect((await eventsOf(id)).map(([type]) => type)).toEqual(['insert', 'update', 'delete', 'insert']);
  });

  test('is deleted and made again by the first: the insert that waited finds it taken', async () => {
    const id = randomUUID();
    await insert(log, table, id);
    await first.query('begin');
    await remove(first, table, id);
    await insert(first, table, id);
    const { result } = await untilItWaits(log, second, () => insert(second, table, id));
    await first.query('commit');
    expect(await result).toMatchObject({ code: '23505', constraint: `${table}_pkey` });
    expect((await eventsOf(id)).map(([type]) => type)).toEqual(['insert', 'delete', 'insert']);
  });

  test('is taken by both after a deletion: one finds it taken', async () => {
    const id = randomUUID();
    await insert(log, table, id);
    await remove(log, table, id);
    await first.query('begin');
    await insert(first, table, id);
    const { result } = await untilItWaits(log, second, () => insert(second, table, id));
    await first.query('commit');
    expect(await result).toMatchObject({ code: '23505', constraint: `${table}_pkey` });
    expect((await eventsOf(id)).map(([, sequence]) => sequence)).toEqual([1, 2, 3]);
  });

  test('is not given up after all: the insert that waited gets it where the first made it', async () => {
    const [deleted, made] = [randomUUID(), randomUUID()];
    await insert(log, table, deleted);
    await first.query('begin');
    await remove(first, table, deleted);
    const ofDeleted = await untilItWaits(log, second, () => insert(second, table, deleted));
    await first.query('rollback');
    expect(await ofDeleted.result).toMatchObject({ code: '23505', constraint: `${table}_pkey` });
    await first.query('begin');
    await insert(first, table, made);
    const ofMade = await untilItWaits(log, second, () => insert(second, table, made));
    await first.query('rollback');
    expect(await ofMade.result).toMatchObject({ rowCount: 1 });
    expect([await eventsOf(deleted), await eventsOf(made)]).toEqual([[['insert', 1]], [['insert', 1]]]);
  });

  test.each(['changes and then deletes it', 'deletes it'])('is inserted or changed while the first %s', async (how) => {
    const id = randomUUID();
    await insert(log, table, id);
    await first.query('begin');
    if (how !== 'deletes it') await first.query(changeOf[table], [id]);
    else await remove(first, table, id);
    const { result } = await untilItWaits(log, second, () =>
      second.query(`${insertOf[table]} ${conflictOf[table]}`, [id]),
    );
    if (how !== 'deletes it') await remove(first, table, id);
    await first.query('commit');
    expect(await result).toMatchObject({ rowCount: 1 });
    const events = await eventsOf(id);
    expect(events.at(-1)?.[0]).toBe('insert');
    expect(events.map(([, sequence]) => sequence)).toEqual(events.map((_, index) => index + 1));
  });

  test('is inserted or changed over and over: only changes of the row count', async () => {
    const id = randomUUID();
    for (let count = 0; count < 3; count += 1) await log.query(`${insertOf[table]} ${conflictOf[table]}`, [id]);
    await log.query(`${insertOf[table]} on conflict do nothing`, [id]);
    await remove(log, table, id);
    expect(await eventsOf(id)).toEqual([
      ['insert', 1],
      ['update', 2],
      ['delete', 3],
    ]);
  });

  test.each(isolationLevels)('fails at %s with an error that asks to repeat', async (level) => {
    const [waiting, old] = [randomUUID(), randomUUID()];
    await insert(log, table, waiting);
    await insert(log, table, old);
    await first.query('begin');
    await remove(first, table, waiting);
    await second.query(`begin isolation level ${level}; select`);
    await second.query('select 1');
    const { result } = await untilItWaits(log, second, () => insert(second, table, waiting));
    await first.query('commit');
    expect(await result).toMatchObject({ code: '40001' });
    await second.query('rollback');

    // The row is deleted after the snapshot and before the statement.
    await second.query(`begin isolation level ${level}`);
    await second.query('select 1');
    await remove(log, table, old);
    await expect(insert(second, table, old)).rejects.toMatchObject({ code: '40001' });
    await second.query('rollback');
    await insert(second, table, old);
    expect((await eventsOf(old)).map(([, sequence]) => sequence)).toEqual([1, 2, 3]);
  });

  test('is deleted and taken in one statement', async () => {
    const id = randomUUID();
    await insert(log, table, id);
    await log.query(`with gone as (delete from ${table} where id = $1 returning id) ${
      table === 'instances'
        ? 'insert into instances (id, agent_id, user_id) select id, id, id from gone'
        : `insert into agents (id, name, version, runtime) select id, 'a', '1', '{}' from gone`
    }`, [id]); // prettier-ignore
    expect((await eventsOf(id)).map(([type]) => type)).toEqual(['insert', 'delete', 'insert']);
  });
});

describe('the last event of an instance', () => {
  const recordFinal = (client: Pick<pg.Client, 'query'>, id: string) =>
    client.query('select sequence::int from record_final_status($1, null)', [id]);

  const deleted = async (): Promise<string> => {
    const id = randomUUID();
    await insert(log, 'instances', id);
    await remove(log, 'instances', id);
    return id;
  };

  test('is not written for a row that was made again meanwhile', async () => {
    const id = await deleted();
    await first.query('begin');
    await insert(first, 'instances', id);
    const { result } = await untilItWaits(log, second, () => recordFinal(second, id));
    await first.query('commit');
    expect(await result).toMatchObject({ rows: [{ sequence: 3 }] });
    expect((await eventsOf(id)).map(([type]) => type)).toEqual(['insert', 'delete', 'insert']);
  });

  test('comes before the events of a row that waited for it', async () => {
    const id = await deleted();
    await first.query('begin');
    await recordFinal(first, id);
    const { result } = await untilItWaits(log, second, () => insert(second, 'instances', id));
    await first.query('commit');
    expect(await result).toMatchObject({ rowCount: 1 });
    expect((await eventsOf(id)).map(([type]) => type)).toEqual(['insert', 'delete', 'update', 'insert']);
    const { rows } = await log.query(
      'select sequence::int, generation::int, observed_generation::int as observed from instances where id = $1',
      [id],
    );
    expect(rows).toEqual([{ sequence: 4, generation: 4, observed: 3 }]);
  });

  test('is written once by two that write it at the same time', async () => {
    const id = await deleted();
    await first.query('begin');
    await recordFinal(first, id);
    const { result } = await untilItWaits(log, second, () => recordFinal(second, id));
    await first.query('commit');
    expect(await result).toMatchObject({ rows: [] });
    expect((await eventsOf(id)).map(([type]) => type)).toEqual(['insert', 'delete', 'update']);
  });

  test('is written of the newest deletion, which it waits for', async () => {
    const id = await deleted();
    await insert(log, 'instances', id);
    await first.query('begin');
    await remove(first, 'instances', id);
    const { result } = await untilItWaits(log, second, () => recordFinal(second, id));
    await first.query('commit');
    expect(await result).toMatchObject({ rows: [] });
    expect((await eventsOf(id)).at(-1)).toEqual(['update', 5]);
  });
});

test('a late status waits for the newer one, and neither overwrites it nor takes the metadata of a user away', async () => {
  const id = randomUUID();
  await insert(log, 'instances', id);
  await log.query(`update instances set config = '{"a": 1}' where id = $1`, [id]);
  await first.query('begin');
  await first.query(`update instances set metadata = '{"note": "mine"}' where id = $1`, [id]);
  await first.query(`select from record_instance_status($1, 'running', 2, null, null)`, [id]);
  const late = await untilItWaits(log, second, () =>
    second.query(`select outcome from record_instance_status($1, 'failed', 1, '{"code": "a", "message": "b"}', null)`, [
      id,
    ]),
  );
  await first.query('commit');
  expect(await late.result).toMatchObject({ rows: [{ outcome: 'stale' }] });
  const { rows } = await log.query('select status, metadata from instances where id = $1', [id]);
  expect(rows).toEqual([{ status: 'running', metadata: { note: 'mine' } }]);
});

test('a status keeps what a user writes into the metadata at the same time', async () => {
  const id = randomUUID();
  await insert(log, 'instances', id);
  await first.query('begin');
  await first.query(`update instances set metadata = '{"note": "mine"}' where id = $1`, [id]);
  const { result } = await untilItWaits(log, second, () =>
    second.query(`select outcome from record_instance_status($1, 'failed', 1, '{"code": "a", "message": "b"}', null)`, [
      id,
    ]),
  );
  await first.query('commit');
  expect(await result).toMatchObject({ rows: [{ outcome: 'recorded' }] });
  const { rows } = await log.query('select metadata from instances where id = $1', [id]);
  expect(rows).toMatchObject([{ metadata: { note: 'mine', status_reason: { code: 'a' } } }]);
});
