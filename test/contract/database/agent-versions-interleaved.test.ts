import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';
import { untilItWaits } from '../../support/until-it-waits.ts';

/** Of two concurrent transactions, one publishes, withdraws or chooses a version that the other one needs. */

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

type Client = Pick<pg.Client, 'query'>;

const publishTwo = async (): Promise<string> => {
  const id = randomUUID();
  await log.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{"a": 1}')`, [id]);
  await publish(log, id, '2', '{"a": 2}');
  return id;
};
const publish = (client: Client, id: string, version: string, runtime: string) =>
  client.query('update agents set version = $2, runtime = $3 where id = $1', [id, version, runtime]);
const setStable = (client: Client, id: string, version: string) =>
  client.query('update agents set stable_version = $2 where id = $1', [id, version]);
const withdraw = (client: Client, id: string, version: string) =>
  client.query('update agent_versions set withdrawn_at = clock_timestamp() where agent_id = $1 and version = $2', [
    id,
    version,
  ]);
/** Returns the id of the instance. */
const insertInstance = async (client: Client, agentId: string, version: string | null = null): Promise<string> => {
  const id = randomUUID();
  const values = [id, agentId, version];
  await client.query('insert into instances (id, agent_id, user_id, agent_version) values ($1, $2, $1, $3)', values);
  return id;
};
const versionOf = async (id: unknown): Promise<unknown> => {
  const { rows } = await log.query<{ version: unknown }>(
    'select agent_version as version from instances where id = $1',
    [id],
  );
  return rows[0]?.version;
};
const isolationLevels = ['repeatable read', 'serializable'] as const;

describe('a version that two publish at the same time', () => {
  test.each([
    ['with other content: the second is refused', '{"b": 3}', { constraint: 'agent_versions_are_immutable' }],
    ['with the same content: the second changes nothing', '{"a": 3}', { rowCount: 1 }],
  ])('%s', async (_, runtime, expected) => {
    const id = await publishTwo();
    await first.query('begin');
    await publish(first, id, '3', '{"a": 3}');
    const { result } = await untilItWaits(log, second, () => publish(second, id, '3', runtime));
    await first.query('commit');
    expect(await result).toMatchObject(expected);
    const { rows } = await log.query(`select runtime from agent_versions where agent_id = $1 and version = '3'`, [id]);
    expect(rows).toEqual([{ runtime: { a: 3 } }]);
    expect((await log.query('select from event_log where entity_id = $1', [id])).rows).toHaveLength(3);
  });

  test('is published by the second where the first rolls back', async () => {
    const id = await publishTwo();
    await first.query('begin');
    await publish(first, id, '3', '{"a": 3}');
    const { result } = await untilItWaits(log, second, () => publish(second, id, '3', '{"b": 3}'));
    await first.query('rollback');
    expect(await result).toMatchObject({ rowCount: 1 });
  });
});

describe('a new instance while the stable version of its agent changes', () => {
  test('gets the new one, or the one before where the change is rolled back', async () => {
    const id = await publishTwo();
    for (const [end, version] of [
      ['rollback', '1'],
      ['commit', '2'],
    ]) {
      await first.query('begin');
      await setStable(first, id, '2');
      const { result } = await untilItWaits(log, second, () => insertInstance(second, id));
      await first.query(String(end));
      expect(await versionOf(await result)).toBe(version);
    }
  });

  test.each(['1', '2', null])(
    'is seen by the change, which waits for it, also with the version %s',
    async (version) => {
      const id = await publishTwo();
      await first.query('begin');
      const instance = await insertInstance(first, id, version);
      await second.query('begin');
      const { result } = await untilItWaits(log, second, () => setStable(second, id, '2'));
      await first.query('commit');
      expect(await result).toMatchObject({ rowCount: 1 });
      const { rows } = await second.query('select id from instances where agent_id = $1', [id]);
      expect(rows).toEqual([{ id: instance }]);
      await second.query('commit');
    },
  );

  test.each(isolationLevels)('fails at %s with an error that asks to repeat', async (level) => {
    const id = await publishTwo();
    await second.query(`begin isolation level ${level}`);
    await second.query('select from agents');
    await setStable(log, id, '2');
    await expect(insertInstance(second, id)).rejects.toMatchObject({ code: '40001' });
    await second.query('rollback');
    expect(await versionOf(await insertInstance(second, id))).toBe('2');
  });

  test('waits for no publication, and lets none wait', async () => {
    const id = await publishTwo();
    await first.query('begin');
    await publish(first, id, '3', '{"a": 3}');
    expect(await versionOf(await insertInstance(second, id))).toBe('1');
    await first.query('commit');
    await first.query('begin');
    await insertInstance(first, id);
    await publish(second, id, '4', '{"a": 4}');
    await first.query('commit');
  });
});

describe('a version that one chooses', () => {
  test('is refused where the other one withdraws it first, and taken where that is rolled back', async () => {
    const id = await publishTwo();
    for (const [end, expected] of [
      ['rollback', expect.any(String)],
      ['commit', expect.objectContaining({ constraint: 'instances_agent_version_is_not_withdrawn' })],
    ]) {
      await first.query('begin');
      await withdraw(first, id, '2');
      const { result } = await untilItWaits(log, second, () => insertInstance(second, id, '2'));
      await first.query(String(end));
      expect(await result).toEqual(expected);
    }
  });

  test('keeps the other one waiting who withdraws it', async () => {
    const id = await publishTwo();
    await first.query('begin');
    const instance = await insertInstance(first, id, '2');
    const { result } = await untilItWaits(log, second, () => withdraw(second, id, '2'));
    await first.query('commit');
    expect(await result).toMatchObject({ rowCount: 1 });
    expect(await versionOf(instance)).toBe('2');
  });

  test('is that of a new agent of the same id, or none, where the other one deletes the agent', async () => {
    for (const version of [null, '7']) {
      const id = await publishTwo();
      await first.query('begin');
      await first.query('delete from agents where id = $1', [id]);
      const again = `insert into agents (id, name, version, runtime) values ($1, 'a', $2, '{}')`;
      if (version !== null) await first.query(again, [id, version]);
      const { result } = await untilItWaits(log, second, () => insertInstance(second, id));
      await first.query('commit');
      expect(await versionOf(await result)).toBe(version);
    }
  });

  test('is kept where agents_worker would have pinned another one', async () => {
    const id = randomUUID();
    const instance = await insertInstance(log, id);
    await log.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', '{}')`, [id]);
    await publish(log, id, '2', '{}');
    await first.query('begin');
    await first.query(`update instances set agent_version = '2' where id = $1`, [instance]);
    const { result } = await untilItWaits(log, second, () =>
      second.query<{ pinned: string }>('select pin_version($1) as pinned', [instance]),
    );
    await first.query('commit');
    expect(await result).toMatchObject({ rows: [{ pinned: '2' }] });
  });
});

describe('a version that one makes the stable one', () => {
  test('is not withdrawn by the other one', async () => {
    const id = await publishTwo();
    await first.query('begin');
    await setStable(first, id, '2');
    const { result } = await untilItWaits(log, second, () => withdraw(second, id, '2'));
    await first.query('commit');
    expect(await result).toMatchObject({ constraint: 'agent_version_is_stable' });
  });

  test('is refused where the other one withdraws it first', async () => {
    const id = await publishTwo();
    await first.query('begin');
    await withdraw(first, id, '2');
    const { result } = await untilItWaits(log, second, () => setStable(second, id, '2'));
    await first.query('commit');
    expect(await result).toMatchObject({ constraint: 'agents_stable_version_is_not_withdrawn' });
  });

  test.each(isolationLevels)('is not withdrawn by a transaction at %s that cannot see it', async (level) => {
    const id = await publishTwo();
    await second.query(`begin isolation level ${level}`);
    await second.query('select from agents');
    await setStable(log, id, '2');
    await expect(withdraw(second, id, '2')).rejects.toMatchObject({ code: '40001' });
    await second.query('rollback');
  });
});
