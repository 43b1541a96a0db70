import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';
import { untilItWaits } from '../../support/until-it-waits.ts';
import { createRolloutRows, type RolloutRows } from '../../support/rollout-rows.ts';

/** A user, a publisher or a second engine works on the rows at the same time as a rollout. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let rows: RolloutRows;
let user: pg.Client;
let engine: pg.Client;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  rows = await createRolloutRows(log.databaseUrl);
  [user, engine] = [new pg.Client(log.databaseUrl), new pg.Client(log.databaseUrl)];
  await Promise.all([user.connect(), engine.connect()]);
});
afterEach(() => Promise.all([rows.close(), user.end(), engine.end()]));

const move = (client: pg.Client, id: string, wave: number) =>
  client.query<{ moved: number }>('select move_wave($1, $2, 10, 10, 30, null) as moved', [id, wave]);
const complete = (client: pg.Client, id: string) =>
  client.query<{ outcome: string }>('select complete_rollout($1) as outcome', [id]);
const insert = (client: pg.Client, id: string) =>
  client.query('insert into instances (id, agent_id, user_id) values ($1, $2, $1)', [id, rows.agentId]);

test.each([
  ['changes its config', `update instances set config = '{"a": 1}' where id = $1`, '2'],
  ['chooses another version', `update instances set agent_version = '3' where id = $1`, '2'],
  ['holds its version', `update instances set version_policy = 'hold' where id = $1`, '1'],
  ['deletes it', 'delete from instances where id = $1', undefined],
])(
  'an instance whose user %s is not waited for, and a later wave sees what came of it',
  async (_, statement, version) => {
    const [held = '', ...others] = await rows.insertRunning(3);
    const id = await rows.request('2');
    await user.query('begin');
    await user.query(statement, [held]);
    expect((await move(engine, id, 1)).rows).toEqual([{ moved: 2 }]);
    expect(Object.keys(await rows.outcomes(id))).toEqual(others);
    expect((await move(engine, id, 2)).rows).toEqual([{ moved: 0 }]);
    await user.query('commit');
    await move(engine, id, 2);
    expect((await rows.versions())[held]).toBe(version);
  },
);

test('a user who waits for a wave changes the instance as it was moved, or takes it away', async () => {
  const [configured = '', chosen = ''] = await rows.insertRunning(2);
  const id = await rows.request('2');
  await engine.query('begin');
  await move(engine, id, 1);
  const { result } = await untilItWaits(log, user, () =>
    user.query(`update instances set config = '{"a": 1}' where id = $1`, [configured]),
  );
  await engine.query('commit');
  await result;
  await user.query(`update instances set agent_version = '1' where id = $1`, [chosen]);
  await rows.judge(id);
  expect(await rows.versions()).toEqual({ [configured]: '2', [chosen]: '1' });
  expect(await rows.outcomes(id)).toEqual({ [configured]: 'moved', [chosen]: 'left' });
});

test('two engines that move the same wave move it once', async () => {
  await rows.insertRunning(4);
  const id = await rows.request('2');
  await engine.query('begin');
  await engine.query('select move_wave($1, 1, 2, 10, 30, null)', [id]);
  const { result } = await untilItWaits(log, user, () => move(user, id, 1));
  await engine.query('commit');
  expect(await result).toMatchObject({ rows: [{ moved: 2 }] });
  expect(Object.keys(await rows.outcomes(id))).toHaveLength(2);
});

test('a pause that was committed keeps a wave back that waited for it', async () => {
  await rows.insertRunning(2);
  const id = await rows.request('2');
  await user.query('begin');
  await user.query(`update rollouts set desired_state = 'paused' where id = $1`, [id]);
  const { result } = await untilItWaits(log, engine, () => move(engine, id, 1));
  await user.query('commit');
  expect(await result).toMatchObject({ rows: [{ moved: 0 }] });
});

test('an insert that got the stable version before is seen by the completion, which waits for it', async () => {
  const id = await rows.request('2');
  const born = randomUUID();
  await user.query('begin');
  await insert(user, born);
  const { result } = await untilItWaits(log, engine, () => complete(engine, id));
  await user.query('commit');
  expect(await result).toMatchObject({ rows: [{ outcome: 'more' }] });
  expect(await rows.move(id, 1)).toBe(1);
  expect(await rows.versions()).toEqual({ [born]: '2' });
});

test('an insert that waits for the completion gets the new stable version', async () => {
  const id = await rows.request('2');
  const born = randomUUID();
  await engine.query('begin');
  expect((await complete(engine, id)).rows).toEqual([{ outcome: 'completed' }]);
  const { result } = await untilItWaits(log, user, () => insert(user, born));
  await engine.query('commit');
  await result;
  expect(await rows.versions()).toEqual({ [born]: '2' });
});

test('of two requests at the same time one is refused', async () => {
  await user.query('begin');
  await user.query(`insert into rollouts (agent_id, version) values ($1, '2')`, [rows.agentId]);
  const { result } = await untilItWaits(log, engine, () =>
    engine.query(`insert into rollouts (agent_id, version) values ($1, '3')`, [rows.agentId]),
  );
  await user.query('commit');
  expect(await result).toMatchObject({ code: '23505', constraint: 'rollouts_one_active' });
});

test('a rollback leaves an instance that its user holds, and takes it when the user is done', async () => {
  const [held = ''] = await rows.insertRunning(2);
  const id = await rows.request('2');
  await rows.move(id, 1);
  await rows.beginRollback(id);
  await user.query('begin');
  await user.query(`update instances set config = '{"a": 1}' where id = $1`, [held]);
  await engine.query('select revert_wave($1, 10, 150)', [id]);
  expect(await rows.outcomes(id)).toMatchObject({ [held]: 'moved' });
  await user.query('commit');
  await rows.revert(id);
  expect(new Set(Object.values(await rows.versions()))).toEqual(new Set(['1']));
});

test('users, waves, judgements and rollbacks at the same time end without a deadlock', async () => {
  const ids = await rows.insertRunning(20);
  const id = await rows.request('2');
  const users = ids.map((each, index) =>
    rows.update(
      each,
      ['config = \'{"a": 1}\'', "desired_state = 'stopped'", "agent_version = '3'", 'agent_id = agent_id'][index % 4] ??
        '',
    ),
  );
  const engineSteps = Array.from({ length: 4 }, (_, wave) => [
    rows.move(id, wave + 1, { limit: 4 }),
    rows.judge(id),
  ]).flat();
  await Promise.all([...users, ...engineSteps, rows.insert(), rows.complete(id)]);
  await Promise.all([
    rows.beginRollback(id),
    ...ids.map((each) => rows.update(each, `config = '{"b": 1}'`)),
    rows.revert(id),
  ]);
  await rows.revert(id);
  expect(Object.values(await rows.versions())).not.toContain('2');
});
