import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rolloutDesiredStates, rolloutOutcomes, rolloutStatuses } from '../../../contracts/names.ts';
import { recordRollout } from '../../../database/rollouts/steps.ts';
import { openEventLog } from '../../support/event-log.ts';
import { createRolloutRows, type RolloutRows } from '../../support/rollout-rows.ts';

/** What the functions of rollouts do to rows. The tests play the engine that runs the instances. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let rows: RolloutRows;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  rows = await createRolloutRows(log.databaseUrl);
});
afterEach(() => rows.close());

const hour = '1 hour';
const all = (ids: string[], value: string) => Object.fromEntries(ids.map((id) => [id, value]));

describe('a request', () => {
  test('of an unknown version, of a withdrawn one, of a retired agent and beside an active rollout is refused', async () => {
    await expect(rows.request('9')).rejects.toMatchObject({ constraint: 'rollouts_version_exists' });
    await rows.pool.query('update agent_versions set withdrawn_at = now() where agent_id = $1 and version = $2', [
      rows.agentId,
      '3',
    ]);
    await expect(rows.request('3')).rejects.toMatchObject({ constraint: 'rollouts_version_is_not_withdrawn' });
    await rows.request('2');
    await expect(rows.request('2')).rejects.toMatchObject({ code: '23505', constraint: 'rollouts_one_active' });
    await rows.pool.query('update agents set retired_at = now() where id = $1', [rows.agentId]);
    await expect(rows.request('2')).rejects.toMatchObject({ constraint: 'rollouts_agent_is_in_use' });
    await expect(rows.pool.query('update rollouts set strategy = $1', [{ a: 1 }])).rejects.toMatchObject({
      constraint: 'rollouts_are_immutable',
    });
  });

  test('begins as requested, whatever the client says', async () => {
    const { rows: made } = await rows.pool.query(
      `insert into rollouts (agent_id, version, status, wave, moved, reason, promoted, ended_at, sequence)
       values ($1, '2', 'completed', 7, 7, '{"code": "paused"}', true, now(), 7)
       returning status, wave, moved, reason, promoted, ended_at, sequence::int`,
      [rows.agentId],
    );
    expect(made).toEqual([
      { status: 'requested', wave: 0, moved: 0, reason: null, promoted: false, ended_at: null, sequence: 1 },
    ]);
  });

  test('that supersedes waits until the rollout before has ended, and ends those that wait', async () => {
    const first = await rows.request('2');
    const waiting = await rows.request('2', { on_new_version: 'queue' });
    const last = await rows.request('3', { on_new_version: 'supersede' });
    expect([await rows.rollout(first), await rows.rollout(waiting), await rows.rollout(last)]).toMatchObject([
      { status: 'requested', desired_state: 'superseded' },
      { status: 'superseded', code: 'superseded' },
      { status: 'queued' },
    ]);
    await rows.recordRollout(first, 'superseded', { code: 'superseded' });
    expect(await rows.rollout(last)).toMatchObject({ status: 'requested' });
  });

  test('that queues begins when its turn comes, and is aborted at once before', async () => {
    const first = await rows.request('2');
    const [second, third] = [
      await rows.request('3', { on_new_version: 'queue' }),
      await rows.request('2', { on_new_version: 'queue' }),
    ];
    await rows.want(second, 'aborted');
    expect(await rows.rollout(second)).toMatchObject({ status: 'aborted', code: 'aborted' });
    expect(await rows.rollout(third)).toMatchObject({ status: 'queued' });
    expect(await rows.complete(first)).toBe('completed');
    expect(await rows.rollout(third)).toMatchObject({ status: 'requested' });
  });

  test('that has ended, or is being ended, takes no more wishes', async () => {
    const id = await rows.request('2');
    await rows.want(id, 'aborted');
    await expect(rows.want(id, 'running')).rejects.toMatchObject({ constraint: 'rollouts_is_not_ending' });
    await rows.recordRollout(id, 'aborted', { code: 'aborted' });
    await expect(rows.want(id, 'paused')).rejects.toMatchObject({ constraint: 'rollouts_has_not_ended' });
  });

  test('is caused by the publication where the agent says so, and nothing else is', async () => {
    await rows.pool.query('update agents set rollout = $2 where id = $1', [rows.agentId, { canary: { count: 2 } }]);
    const trace = randomUUID();
    const client = await rows.pool.connect();
    try {
      await client.query('begin');
      await client.query(`select set_config('events.correlation_id', $1, true)`, [trace]);
      await client.query(`update agents set version = '4', runtime = '{"a": 4}' where id = $1`, [rows.agentId]);
      await client.query(`insert into agents (name, version, runtime) values ('other', '1', '{}')`);
      await client.query('commit');
    } finally {
      client.release();
    }
    const { rows: entries } = await rows.pool.query<{ table: string; causes: boolean; causation_id: string | null }>(
      `select notification ->> 'table' as table, causation_id, causation_id = lag(event_id) over (order by id) as causes
       from event_log where correlation_id = $1 order by id`,
      [trace],
    );
    expect(entries).toMatchObject([
      { table: 'agents', causation_id: null },
      { table: 'rollouts', causes: true },
      { table: 'agents', causation_id: null },
    ]);
    const { rows: begun } = await rows.pool.query('select version, strategy from rollouts where agent_id = $1', [
      rows.agentId,
    ]);
    expect(begun).toEqual([{ version: '4', strategy: { canary: { count: 2 } } }]);
    await rows.pool.query(`update agents set name = 'renamed' where id = $1`, [rows.agentId]);
    await expect(
      rows.pool.query(`update agents set version = '5', runtime = '{"a": 5}' where id = $1`, [rows.agentId]),
    ).rejects.toMatchObject({ constraint: 'rollouts_one_active' });
  });
});

describe('a wave', () => {
  test('that is repeated moves no more, and its events are caused by the request', async () => {
    const ids = await rows.insertRunning(5);
    const id = await rows.request('2');
    expect(await rows.move(id, 1, { limit: 2 })).toBe(2);
    const moved = Object.keys(await rows.outcomes(id));
    const before = await Promise.all(ids.map((each) => rows.events(each)));
    expect([await rows.move(id, 1, { limit: 2 }), await rows.move(id, 1, { limit: 5 })]).toEqual([2, 2]);
    expect(await Promise.all(ids.map((each) => rows.events(each)))).toEqual(before);
    expect(await rows.versions()).toEqual({ ...all(ids, '1'), ...all(moved, '2') });
    expect(await rows.rollout(id)).toMatchObject({ status: 'progressing', wave: 1, total: 5, moved: 2 });
    const { rows: caused } = await rows.pool.query(
      `select from event_log l join event_log r on r.event_id = l.causation_id and r.correlation_id = l.correlation_id
       where r.entity_id = $1 and r.notification ->> 'event_type' = 'insert' and l.entity_id = any ($2)`,
      [id, moved],
    );
    expect(caused).toHaveLength(2);
    await log.expectDocumented();
  });

  test('moves those that follow and run first, and those that failed or are stopped last and without a judgement', async () => {
    const [failed = '', stopped = '', held = '', other = '', ...running] = await rows.insertRunning(6);
    await rows.fail(failed);
    await rows.update(stopped, `desired_state = 'stopped'`);
    await rows.update(held, `version_policy = 'hold'`);
    await rows.update(other, `agent_version = '2'`);
    const id = await rows.request('2');
    expect(await rows.move(id, 1)).toBe(2);
    expect(Object.keys(await rows.outcomes(id))).toEqual(running);
    expect(await rows.move(id, 2)).toBe(2);
    expect(await rows.versions()).toEqual({ ...all([failed, stopped, other, ...running], '2'), [held]: '1' });
    await rows.age(hour);
    await rows.judge(id);
    expect(await rows.outcomes(id)).toEqual({ ...all([failed, stopped], 'moved'), ...all(running, 'failed') });
  });

  test('leaves no more out than allowed, also when one fails that had been healthy', async () => {
    await rows.insertRunning(10);
    const id = await rows.request('2');
    expect(await rows.move(id, 1, { limit: 3, maxOut: 2 })).toBe(2);
    expect(await rows.move(id, 2, { maxOut: 2 })).toBe(0);
    const [first = '', second = ''] = Object.keys(await rows.outcomes(id));
    await rows.run(first);
    expect(await rows.move(id, 2, { maxOut: 2 })).toBe(0);
    await rows.age(hour);
    await rows.judge(id);
    expect(await rows.outcomes(id)).toMatchObject({ [first]: 'healthy', [second]: 'failed' });
    // The failed one is still out.
    expect(await rows.move(id, 2, { maxOut: 2 })).toBe(1);
    await rows.fail(first);
    expect(await rows.move(id, 3, { maxOut: 3 })).toBe(0);
  });

  test('has the places of those that had failed when a person resumed the rollout, and of no others', async () => {
    await rows.insertRunning(5);
    const id = await rows.request('2');
    expect(await rows.move(id, 1, { limit: 2, maxOut: 2 })).toBe(2);
    const [first = '', second = ''] = Object.keys(await rows.outcomes(id));
    await rows.fail(first);
    await rows.judge(id);
    await rows.recordRollout(id, 'paused', { holds: true });
    await rows.want(id, 'running');
    expect(await rows.move(id, 2, { maxOut: 2 })).toBe(1);
    await rows.fail(second);
    await rows.judge(id);
    expect(await rows.move(id, 3, { maxOut: 2 })).toBe(0);
    await rows.want(id, 'paused');
    await rows.want(id, 'running');
    expect(await rows.move(id, 3, { maxOut: 2 })).toBe(1);
  });

  test('does not begin after a pause, an abort, a retirement or a withdrawal was committed', async () => {
    await rows.insertRunning(3);
    const id = await rows.request('2');
    await rows.want(id, 'paused');
    expect(await rows.move(id, 1)).toBe(0);
    await rows.want(id, 'running');
    await rows.pool.query('update agents set retired_at = now() where id = $1', [rows.agentId]);
    expect([await rows.move(id, 1), await rows.complete(id)]).toEqual([0, 'changed']);
    await rows.pool.query('update agents set retired_at = null where id = $1', [rows.agentId]);
    await rows.pool.query(`update agent_versions set withdrawn_at = now() where agent_id = $1 and version = '2'`, [
      rows.agentId,
    ]);
    expect([await rows.move(id, 1), await rows.complete(id)]).toEqual([0, 'changed']);
    expect(new Set(Object.values(await rows.versions()))).toEqual(new Set(['1']));
  });

  test('of the canary takes those that match, one of each user, and any where none matches', async () => {
    const userId = randomUUID();
    const beta = { ring: 'beta', other: 1 };
    const ofOneUser = new Set([
      await rows.insert({ metadata: beta, userId }),
      await rows.insert({ metadata: beta, userId }),
    ]);
    const ofAnother = await rows.insert({ metadata: beta });
    await rows.insert();
    const canary = { matching: { ring: 'beta' }, one_per_user: true };
    const id = await rows.request('2');
    expect(await rows.move(id, 1, { canary })).toBe(2);
    const moved = Object.keys(await rows.outcomes(id));
    expect(moved).toContain(ofAnother);
    expect(moved.filter((each) => ofOneUser.has(each))).toHaveLength(1);
    await rows.recordRollout(id, 'aborted');

    const next = await rows.request('3');
    expect(await rows.move(next, 1, { limit: 1, canary: { matching: { ring: 'none' } } })).toBe(1);
  });
});

describe('a moved instance', () => {
  let rolloutId: string;
  let id: string;
  beforeEach(async () => {
    [id = ''] = await rows.insertRunning(1);
    rolloutId = await rows.request('2');
    await rows.move(rolloutId, 1);
  });
  const outcome = async (): Promise<unknown> => {
    await rows.judge(rolloutId);
    const { rows: found } = await rows.pool.query<{ outcome: string; excused: boolean }>(
      'select outcome, excused from rollout_instances where rollout_id = $1',
      [rolloutId],
    );
    const [row] = found;
    return row?.excused === true ? `${row.outcome}, excused` : row?.outcome;
  };

  test('is healthy after it has run long enough in the generation of the move, by no clock but that of PostgreSQL', async () => {
    expect(await outcome()).toBe('moved');
    await rows.run(id);
    await rows.age('15 seconds');
    expect(await outcome()).toBe('moved');
    await rows.age('16 seconds');
    expect(await outcome()).toBe('healthy');
    expect(await rows.rollout(rolloutId)).toMatchObject({ healthy: 1, failed: 0 });
  });

  test('has failed with the status, or at the deadline', async () => {
    await rows.record(id, 'pending', { code: 'restarting', message: 'It ended with code 1.' });
    expect(await outcome()).toBe('moved');
    await rows.age('100 seconds');
    expect(await outcome()).toBe('moved');
    await rows.age('51 seconds');
    expect(await outcome()).toBe('failed');
    const { rows: said } = await rows.pool.query('select message from rollout_instances where rollout_id = $1', [
      rolloutId,
    ]);
    expect(said).toEqual([
      { message: 'It was not healthy within 150 s: its status is pending. It ended with code 1.' },
    ]);
  });

  test.each<[what: string, happens: () => Promise<unknown>]>([
    ['fails', () => rows.fail(id)],
    ['is being restarted', () => rows.record(id, 'pending', { code: 'restarting', message: 'It ended.' })],
    ['was restarted between two looks', () => rows.run(id)],
  ])('that was healthy and %s has failed', async (_, happens) => {
    await rows.run(id);
    await rows.age(hour);
    expect(await outcome()).toBe('healthy');
    await happens();
    expect(await outcome()).toBe('failed');
  });

  test.each(['host_lost', 'no_host', 'moving'])(
    'that cannot run because of %s is excused at the deadline',
    async (code) => {
      await rows.record(id, 'pending', { code, message: 'Nobody is to blame.' });
      expect(await outcome()).toBe('moved');
      await rows.age(hour);
      expect(await outcome()).toBe('moved, excused');
      await rows.run(id);
      expect(await outcome()).toBe('moved, excused');
      await rows.age('31 seconds');
      expect(await outcome()).toBe('healthy');
      await rows.record(id, 'pending', { code, message: 'Nobody is to blame.' });
      expect(await outcome()).toBe('healthy, excused');
      await rows.run(id);
      expect(await outcome()).toBe('healthy, excused');
      await rows.age('31 seconds');
      expect(await outcome()).toBe('healthy');
    },
  );

  test('that was healthy and was moved to another host between two looks is not to blame for that restart, but for the next one', async () => {
    await rows.run(id);
    await rows.age(hour);
    expect(await outcome()).toBe('healthy');
    await rows.update(id, 'host_id = gen_random_uuid()');
    await rows.run(id);
    expect(await outcome()).toBe('healthy, excused');
    await rows.age('31 seconds');
    expect(await outcome()).toBe('healthy');
    await rows.run(id);
    expect(await outcome()).toBe('failed');
  });

  test('that becomes able to run again shortly before the deadline gets its time anew', async () => {
    await rows.record(id, 'pending', { code: 'host_lost', message: 'Nobody is to blame.' });
    await rows.age('100 seconds');
    expect(await outcome()).toBe('moved');
    await rows.record(id, 'pending');
    await rows.age('60 seconds');
    expect(await outcome()).toBe('moved');
    await rows.age('150 seconds');
    expect(await outcome()).toBe('failed');
  });

  test.each<[what: string, happens: () => Promise<unknown>]>([
    ['deletes it', () => rows.pool.query('delete from instances where id = $1', [id])],
    ['stops it', () => rows.update(id, `desired_state = 'stopped'`)],
    ['chooses another version', () => rows.update(id, `agent_version = '3'`)],
    ['chooses another agent', () => rows.update(id, 'agent_id = gen_random_uuid()')],
  ])('is left to its user who %s', async (_, happens) => {
    await happens();
    await rows.age(hour);
    expect(await outcome()).toBe('left');
  });

  test('whose user changes the config or holds the version is judged on, and not for the restart', async () => {
    await rows.run(id);
    await rows.age(hour);
    expect(await outcome()).toBe('healthy');
    await rows.update(id, `config = '{"a": 1}', version_policy = 'hold'`);
    await rows.run(id);
    expect(await outcome()).toBe('healthy, excused');
    await rows.age(hour);
    expect(await outcome()).toBe('healthy');
    await rows.fail(id);
    expect(await outcome()).toBe('failed');
  });

  test('is judged the same when nothing changed, without an event', async () => {
    await outcome();
    const before = await rows.events(rolloutId);
    for (const _ of 'again') await outcome();
    expect(await rows.events(rolloutId)).toBe(before);
  });
});

describe('a rollback', () => {
  test('gives each instance its own version back, withdraws the bad one, and leaves those whose users chose otherwise', async () => {
    const [hasConfig = '', hasVersion = '', stopped = '', deleted = '', hasAgent = '', held = '', plain = ''] =
      await rows.insertRunning(7);
    await rows.update(plain, `agent_version = '3'`);
    const id = await rows.request('2');
    expect(await rows.move(id, 1)).toBe(7);
    await rows.update(hasConfig, `config = '{"a": 1}'`);
    await rows.update(hasVersion, `agent_version = '3'`);
    await rows.update(stopped, `desired_state = 'stopped'`);
    await rows.pool.query('delete from instances where id = $1', [deleted]);
    await rows.update(hasAgent, 'agent_id = gen_random_uuid()');
    await rows.update(held, `version_policy = 'hold'`);
    await rows.judge(id);
    await rows.beginRollback(id);
    for (const _ of 'twice') await rows.revert(id);
    expect(await rows.agent()).toEqual({ stable: '1', withdrawn: ['2'] });
    expect(await rows.versions()).toEqual({
      ...all([hasConfig, stopped, held], '1'),
      ...all([hasVersion, plain], '3'),
    });
    expect(await rows.outcomes(id)).toEqual({
      ...all([hasConfig, stopped, held, plain], 'reverted'),
      ...all([hasVersion, deleted, hasAgent], 'left'),
    });
    await rows.recordRollout(id, 'rolled_back');
    expect(await rows.rollout(id)).toMatchObject({ status: 'rolled_back', moved: 7, reverted: 4 });
    await expect(rows.request('2')).rejects.toMatchObject({ constraint: 'rollouts_version_is_not_withdrawn' });
    await log.expectDocumented();
  });

  test('brings back at once what does not run, and what runs only as far as enough others do', async () => {
    const ids = await rows.insertRunning(6);
    const id = await rows.request('2');
    await rows.move(id, 1);
    const [down = '', ...up] = ids;
    for (const each of up) await rows.run(each);
    await rows.fail(down);
    await rows.judge(id);
    await rows.beginRollback(id);
    await rows.revert(id, { maxOut: 2 });
    await rows.revert(id, { maxOut: 2 });
    const reverted = Object.entries(await rows.outcomes(id)).flatMap(([each, now]) =>
      now === 'reverted' ? [each] : [],
    );
    expect(reverted).toHaveLength(3);
    expect(reverted).toContain(down);
    for (const each of reverted) await rows.run(each);
    await rows.revert(id, { maxOut: 2 });
    expect(await rows.rollout(id)).toMatchObject({ status: 'rolling_back', reverted: 5, failed: 1 });
    await rows.age(hour);
    await rows.revert(id, { maxOut: 2 });
    expect(await rows.outcomes(id)).toEqual(all(ids, 'reverted'));
  });

  test('goes behind a rollout that was superseded, to the version before it', async () => {
    const [id = ''] = await rows.insertRunning(1);
    const first = await rows.request('2');
    await rows.move(first, 1);
    const second = await rows.request('3', { on_new_version: 'supersede' });
    await rows.recordRollout(first, 'superseded', { code: 'superseded' });
    await rows.move(second, 1);
    await rows.beginRollback(second);
    await rows.revert(second);
    expect(await rows.versions()).toEqual({ [id]: '1' });
  });

  test('takes along what a superseded rollout of the same version had moved, and nothing that its user put there', async () => {
    const [moved = '', chosen = '', held = ''] = await rows.insertRunning(3);
    await rows.update(chosen, `agent_version = '2'`);
    const first = await rows.request('2');
    await rows.move(first, 2);
    await rows.update(held, `version_policy = 'hold'`);
    const second = await rows.request('2', { on_new_version: 'supersede' });
    await rows.recordRollout(first, 'superseded', { code: 'superseded' });
    await rows.beginRollback(second);
    await rows.revert(second);
    expect(await rows.versions()).toEqual({ [moved]: '1', [chosen]: '2', [held]: '2' });
  });

  test('takes the stable version for one whose version was withdrawn meanwhile', async () => {
    const [id = ''] = await rows.insertRunning(1);
    await rows.update(id, `agent_version = '2'`);
    const rollout = await rows.request('3');
    await rows.move(rollout, 1);
    await rows.pool.query(`update agent_versions set withdrawn_at = now() where agent_id = $1 and version = '2'`, [
      rows.agentId,
    ]);
    await rows.beginRollback(rollout);
    await rows.revert(rollout);
    expect(await rows.versions()).toEqual({ [id]: '1' });
  });

  test('does not withdraw the stable version, and reverts nothing of a retired agent', async () => {
    const [id = ''] = await rows.insertRunning(1);
    await rows.update(id, `agent_version = '2'`);
    const rollout = await rows.request('1');
    await rows.move(rollout, 1);
    await rows.beginRollback(rollout);
    expect(await rows.agent()).toEqual({ stable: '1', withdrawn: [] });
    await rows.pool.query('update agents set retired_at = now() where id = $1', [rows.agentId]);
    await rows.revert(rollout);
    expect(await rows.versions()).toEqual({ [id]: '1' });
    expect(await rows.outcomes(rollout)).toEqual({ [id]: 'moved' });
  });

  test('begun twice, or after the end, changes nothing', async () => {
    await rows.insertRunning(1);
    const id = await rows.request('2');
    await rows.move(id, 1);
    await rows.beginRollback(id);
    const before = await rows.events(id);
    await rows.beginRollback(id);
    await rows.recordRollout(id, 'progressing');
    expect(await rows.events(id)).toBe(before);
    await rows.recordRollout(id, 'rolled_back');
    await rows.recordRollout(id, 'aborted');
    await rows.beginRollback(id);
    expect(await rows.rollout(id)).toMatchObject({ status: 'rolled_back' });
  });
});

describe('a completion', () => {
  test('makes the version the stable one, and says 0 where there was nothing to do', async () => {
    const id = await rows.request('2');
    expect([await rows.complete(id), await rows.complete(id)]).toEqual(['completed', 'changed']);
    expect(await rows.rollout(id)).toMatchObject({ status: 'completed', total: 0, moved: 0, wave: 0 });
    expect(await rows.agent()).toEqual({ stable: '2', withdrawn: [] });
  });

  test('waits for what was inserted before the version was stable, and a rollback then takes everything back', async () => {
    const late = await rows.insert();
    const id = await rows.request('2');
    expect(await rows.complete(id)).toBe('more');
    const born = await rows.insert();
    expect(await rows.versions()).toEqual({ [late]: '1', [born]: '2' });
    expect(await rows.rollout(id)).toMatchObject({ status: 'requested', total: 1 });
    await rows.move(id, 1);
    await rows.beginRollback(id);
    await rows.revert(id);
    expect(await rows.versions()).toEqual({ [late]: '1', [born]: '1' });
    expect(await rows.agent()).toEqual({ stable: '1', withdrawn: ['2'] });
  });

  test('does not happen to a rollout that is paused or to be aborted', async () => {
    const id = await rows.request('2');
    for (const state of ['paused', 'aborted']) {
      await rows.want(id, state);
      expect(await rows.complete(id)).toBe('changed');
    }
    expect(await rows.agent()).toMatchObject({ stable: '1' });
  });
});

test('a rollout that is held for its failures is paused, and remembers them', async () => {
  const [id = ''] = await rows.insertRunning(1);
  const rollout = await rows.request('2');
  await rows.move(rollout, 1);
  await rows.fail(id);
  await rows.judge(rollout);
  await rows.recordRollout(rollout, 'paused', { holds: true });
  expect(await rows.rollout(rollout)).toMatchObject({
    status: 'paused',
    desired_state: 'paused',
    forgiven: 1,
    failed: 1,
  });
});

test('a rollout that a person resumed is not held again by a repeated step', async () => {
  const rollout = await rows.request('2');
  const { sequence } = await rows.rollout(rollout);
  const hold = () => recordRollout(rows.pool, rollout, { status: 'paused', holds: true, sequence: Number(sequence) });
  await hold();
  expect(await rows.rollout(rollout)).toMatchObject({ status: 'paused', desired_state: 'paused' });
  await rows.want(rollout, 'running');
  await hold();
  expect(await rows.rollout(rollout)).toMatchObject({ status: 'paused', desired_state: 'running' });
});

test('an agent that is deleted ends its rollouts, and says so of the active ones', async () => {
  const done = await rows.request('2');
  await rows.complete(done);
  const active = await rows.request('3');
  const waiting = await rows.request('2', { on_new_version: 'queue' });
  await rows.pool.query('delete from agents where id = $1', [rows.agentId]);
  const { rows: last } = await rows.pool.query<{ id: string; change: string; status: string }>(
    `select distinct on (entity_id) entity_id as id, notification ->> 'event_type' as change,
       notification -> 'row_data' ->> 'status' as status
     from event_log where entity_id = any ($1) order by entity_id, sequence desc`,
    [[done, active, waiting]],
  );
  expect(new Map(last.map(({ id, change, status }) => [id, [change, status]]))).toEqual(
    new Map([
      [done, ['update', 'completed']],
      [active, ['delete', 'aborted']],
      [waiting, ['delete', 'aborted']],
    ]),
  );
  await log.expectDocumented();
});

test.each([
  ['rollouts_status_check', rolloutStatuses],
  ['rollouts_desired_state_check', rolloutDesiredStates],
  ['rollout_instances_outcome_check', rolloutOutcomes],
])('%s allows the names of the contract, and no other', async (constraint, names) => {
  const { rows: found } = await rows.pool.query<{ written: string }>(
    'select pg_get_constraintdef(oid) as written from pg_constraint where conname = $1',
    [constraint],
  );
  expect((found[0]?.written.match(/'[^']+'/g) ?? []).map((quoted) => quoted.slice(1, -1))).toEqual(names);
});
