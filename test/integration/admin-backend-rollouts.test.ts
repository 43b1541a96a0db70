import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { MovedInstance, RolloutWithWaves } from '../../database/rollouts/rollout-json.ts';
import { useAdminBackend } from '../support/admin-backend.ts';
import { useRig } from '../support/rig.ts';
import { createRolloutRows, type RolloutRows } from '../support/rollout-rows.ts';
import { signToken } from '../support/tokens.ts';

/** Without the engine: its functions are called here. */
const rig = useRig();
const admin = useAdminBackend(rig);

/** Each test has an agent of its own. */
let rows: RolloutRows;
const opened: RolloutRows[] = [];

beforeEach(async () => {
  rows = await createRolloutRows(rig.environment.DATABASE_URL);
  opened.push(rows);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

type Body = RolloutWithWaves & { code?: string; detail?: string };
const start = (json: object, agentId: string = rows.agentId, token?: string) =>
  admin.call<Body>(`/v1/agents/${agentId}/rollouts`, { method: 'POST', json, ...(token && { token }) });
const act = (id: string, action: string) => admin.call<Body>(`/v1/rollouts/${id}/${action}`, { method: 'POST' });
const list = async (path: string) => (await admin.call<{ rollouts: Body[] }>(path)).body.rollouts;
const moved = (id: string, query = '') =>
  admin.call<{ instances: MovedInstance[]; next_after: string | null }>(`/v1/rollouts/${id}/instances${query}`);

describe('a rollout', () => {
  test('is started by an admin, and read with its strategy as it was given', async () => {
    const userId: string = randomUUID();
    const token = await signToken({ userId, roles: ['admin'] });
    const strategy = { canary: { percent: 5 } };
    const { status, body, headers } = await start({ version: '2', strategy }, rows.agentId.toUpperCase(), token);
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/rollouts/${body.id}`);
    expect(body).toEqual({
      id: expect.any(String),
      agent_id: rows.agentId,
      agent_name: 'echo',
      version: '2',
      strategy,
      desired_state: 'running',
      promoted: false,
      status: 'requested',
      reason: null,
      wave: 0,
      total: 0,
      moved: 0,
      healthy: 0,
      failed: 0,
      reverted: 0,
      requested_by: userId,
      created_at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
      updated_at: expect.stringMatching(/Z$/),
      ended_at: null,
      waves: [],
    });
    expect((await admin.call(`/v1/rollouts/${body.id.toUpperCase()}`)).body).toEqual(body);
  });

  test('has its waves and its instances, page by page, with what became of them', async () => {
    const ids = await rows.insertRunning(4);
    const { body } = await start({ version: '2' });
    await rows.move(body.id, 1, { limit: 1, canary: {} });
    await rows.move(body.id, 2, { limit: 3 });
    const { instances } = (await moved(body.id)).body;
    const [canary] = instances;
    await rows.run(canary?.instance_id ?? '');
    await rows.fail(instances[1]?.instance_id ?? '');
    await rows.judge(body.id, { minHealthy: 0 });
    const counts = { awaited: 0, healthy: 0, failed: 0, left: 0, reverted: 0, unjudged: 0 };
    const time = expect.stringMatching(/Z$/) as string;
    expect((await admin.call<Body>(`/v1/rollouts/${body.id}`)).body).toMatchObject({
      status: 'progressing',
      total: 4,
      moved: 4,
      healthy: 1,
      failed: 1,
      waves: [
        { ...counts, wave: 2, is_canary: false, moved_at: time, instances: 3, failed: 1, awaited: 2 },
        { ...counts, wave: 1, is_canary: true, moved_at: time, instances: 1, healthy: 1 },
      ],
    });

    const first = (await moved(body.id, '?limit=3')).body;
    const second = (await moved(body.id, `?limit=3&after=${first.next_after}`)).body;
    expect(second.next_after).toBeNull();
    const all = [...first.instances, ...second.instances];
    expect(all.map(({ instance_id: id }) => id).toSorted()).toEqual(ids);
    expect(all.map(({ wave }) => wave)).toEqual([1, 2, 2, 2]);
    expect(all[0]).toEqual({
      instance_id: canary?.instance_id,
      wave: 1,
      from_version: '1',
      outcome: 'healthy',
      judged: true,
      excused: false,
      message: null,
      moved_at: time,
      outcome_at: time,
      status: 'running',
      agent_version: '2',
      running_version: '2',
    });
    expect((await moved(body.id, '?outcome=failed')).body.instances).toEqual([
      expect.objectContaining({ message: 'It ended with code 1.', status: 'failed' }),
    ]);
    expect((await moved(body.id, '?wave=1')).body.instances).toHaveLength(1);
    for (const wave of ['0', '2147483648', '1.5']) {
      expect(await moved(body.id, `?wave=${wave}`)).toMatchObject({ status: 400 });
    }
    expect((await moved(body.id, '?wave=2147483647')).body.instances).toEqual([]);
    await rows.pool.query('delete from instances where id = $1', [canary?.instance_id]);
    expect((await moved(body.id, '?wave=1')).body.instances).toMatchObject([{ status: null, agent_version: null }]);
  });

  test('is listed, the newest first, by agent and status', async () => {
    const { body: one } = await start({ version: '2' });
    await act(one.id, 'abort');
    await rows.recordRollout(one.id, 'aborted', { code: 'aborted' });
    const { body: two } = await start({ version: '3' });
    const both = [two.id, one.id];
    expect((await list(`/v1/agents/${rows.agentId}/rollouts`)).map(({ id }) => id)).toEqual(both);
    expect((await list(`/v1/rollouts?agent_id=${rows.agentId}`)).map(({ id }) => id)).toEqual(both);
    expect(await list(`/v1/rollouts?agent_id=${rows.agentId}&status=aborted`)).toMatchObject([
      { id: one.id, reason: { code: 'aborted', message: 'Because.' }, ended_at: expect.stringMatching(/Z$/) },
    ]);
    expect(await list('/v1/rollouts?limit=1')).toMatchObject([{ id: two.id }]);
  });

  test('is paused, resumed, promoted and aborted, each as often as asked', async () => {
    const { body } = await start({ version: '2' });
    for (const [action, state] of [
      ['pause', { desired_state: 'paused' }],
      ['resume', { desired_state: 'running' }],
      ['promote', { desired_state: 'running', promoted: true }],
      ['abort', { desired_state: 'aborted', promoted: true }],
    ] as const) {
      expect(await act(body.id, action)).toMatchObject({ status: 200, body: state });
      expect(await act(body.id, action)).toMatchObject({ status: 200, body: state });
    }
  });

  test('that is ending or has ended answers 409 to whatever is asked of it', async () => {
    await rows.insertRunning(1);
    const { body } = await start({ version: '2' });
    await rows.move(body.id, 1);
    await rows.beginRollback(body.id);
    for (const action of ['pause', 'resume', 'promote', 'abort']) {
      expect(await act(body.id, action)).toMatchObject({ status: 409, body: { code: 'rollout_ending' } });
    }
    await rows.revert(body.id);
    await rows.recordRollout(body.id, 'rolled_back');
    for (const action of ['pause', 'resume', 'promote', 'abort']) {
      expect(await act(body.id, action)).toMatchObject({
        status: 409,
        body: {
          code: 'rollout_ended',
          detail: 'The rollout has ended already: its status is rolled_back. Begin another one.',
        },
      });
    }
  });

  test('is refused while another one is active, unless its strategy says what happens to that', async () => {
    const { body: one } = await start({ version: '2' });
    const refused = await start({ version: '3' });
    expect(refused).toMatchObject({ status: 409, body: { code: 'rollout_active' } });
    expect(refused.body.detail).toMatch(/supersede it or to queue behind it/);
    expect(await start({ version: '3', strategy: { on_new_version: 'queue' } })).toMatchObject({
      status: 201,
      body: { status: 'queued' },
    });
    expect(await start({ version: '3', strategy: { on_new_version: 'supersede' } })).toMatchObject({
      status: 201,
      body: { status: 'queued' },
    });
    expect((await admin.call<Body>(`/v1/rollouts/${one.id}`)).body).toMatchObject({ desired_state: 'superseded' });
  });

  test('needs an agent in use, and a version of it that was not withdrawn', async () => {
    const nobody = randomUUID();
    expect(await start({ version: '2' }, nobody)).toMatchObject({
      status: 404,
      body: { code: 'agent_unknown', detail: `There is no agent ${nobody}.` },
    });
    expect(await start({ version: '4' })).toMatchObject({
      status: 404,
      body: { code: 'version_unknown', detail: `There is no version 4 of the agent ${rows.agentId}.` },
    });
    await rows.pool.query(`update agent_versions set withdrawn_at = now() where agent_id = $1 and version = '3'`, [
      rows.agentId,
    ]);
    expect(await start({ version: '3' })).toMatchObject({ status: 409, body: { code: 'version_withdrawn' } });
    await rows.pool.query('update agents set retired_at = now() where id = $1', [rows.agentId]);
    expect(await start({ version: '2' })).toMatchObject({ status: 409, body: { code: 'agent_retired' } });
    const missing = { status: 404, body: { code: 'not_found' } };
    expect(await admin.call(`/v1/agents/${nobody}/rollouts`)).toMatchObject(missing);
    expect(await admin.call(`/v1/rollouts/${nobody}`)).toMatchObject(missing);
    expect(await moved(nobody)).toMatchObject(missing);
    for (const action of ['pause', 'resume', 'promote', 'abort']) {
      expect(await act(nobody, action)).toMatchObject(missing);
    }
  });
});

const invalid: [what: string, strategy: object, says: RegExp][] = [
  ['a canary over 100 %', { canary: { percent: 101 } }, /canary\.percent: A percentage is at most 100/],
  ['a canary of a count and a percentage', { canary: { count: 1, percent: 5 } }, /canary: Either a count or a perc/],
  ['nothing that may be out', { max_parallel: { count: 0 } }, /max_parallel\.count: A count is at least 1/],
  [
    'a deadline that no instance can meet',
    { min_healthy_seconds: 60, healthy_deadline_seconds: 60 },
    /healthy_deadline_seconds is 60, but an instance is healthy only after min_healthy_seconds, which is 60/,
  ],
  [
    'a deadline for progress that is shorter than the one for health',
    { healthy_deadline_seconds: 100, progress_deadline_seconds: 99 },
    /progress_deadline_seconds is 99.*which is 100/,
  ],
  ['a member that nobody knows', { canary_count: 1 }, /canary_count/],
  ['an answer to new versions that nobody knows', { on_new_version: 'ignore' }, /Either "supersede" or "queue"/],
];

describe('a strategy', () => {
  test.each(invalid)('with %s is refused with the sentence', async (_, strategy, says) => {
    const refused = await start({ version: '2', strategy });
    expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_strategy' } });
    expect(refused.body.detail).toMatch(says);
    expect(await list(`/v1/agents/${rows.agentId}/rollouts`)).toEqual([]);
    const ofAgent = await admin.call<Body>(`/v1/agents/${rows.agentId}`, {
      method: 'PATCH',
      json: { rollout: strategy },
    });
    expect(ofAgent).toMatchObject({ status: 422, body: { code: 'invalid_strategy' } });
  });

  test('that is no object, or that PostgreSQL cannot keep, is refused', async () => {
    for (const strategy of [[], 'fast', null]) {
      expect(await start({ version: '2', strategy })).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    }
    const matching = { text: 'a'.repeat(70_000) };
    expect(await start({ version: '2', strategy: { canary: { matching } } })).toMatchObject({
      status: 422,
      body: { code: 'row_refused' },
    });
  });

  test('that is nested deeper than it can be written is refused, also as that of the agent', async () => {
    const token = await signToken({ userId: randomUUID(), roles: ['admin'] });
    const deep = `{"canary": {"matching": ${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}}`;
    const send = async (method: string, path: string, body: string) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const answer = await fetch(`${admin.url}/v1/agents/${rows.agentId}${path}`, { method, headers, body });
      return { status: answer.status, body: await answer.json() };
    };
    const refused = {
      status: 422,
      body: { code: 'invalid_strategy', detail: expect.stringMatching(/too deep/) as string },
    };
    expect(await send('POST', '/rollouts', `{"version": "2", "strategy": ${deep}}`)).toMatchObject(refused);
    expect(await send('PATCH', '', `{"rollout": ${deep}}`)).toMatchObject(refused);
  });

  test('of the agent begins the rollout of each version that is published, until it is taken away', async () => {
    const path = `/v1/agents/${rows.agentId}`;
    const rollout = { canary: { count: 2 } };
    expect((await admin.call(path, { method: 'PATCH', json: { rollout } })).body).toMatchObject({ rollout });
    const publish = (version: string) =>
      admin.call<Body>(`${path}/versions`, {
        method: 'POST',
        json: { version, runtime: { kind: 'process', command: [version] } },
      });
    expect(await publish('4')).toMatchObject({ status: 201 });
    const started = { version: '4', status: 'requested', strategy: rollout, requested_by: 'publication' };
    expect(await list(`${path}/rollouts`)).toMatchObject([started]);
    expect(await publish('5')).toMatchObject({ status: 409, body: { code: 'rollout_active' } });
    expect(await admin.call(path, { method: 'PATCH', json: { version: '5' } })).toMatchObject({
      status: 409,
      body: { code: 'rollout_active' },
    });
    expect((await admin.call(path, { method: 'PATCH', json: { rollout: null } })).body).toMatchObject({
      rollout: null,
    });
    expect(await publish('5')).toMatchObject({ status: 201 });
    expect(await list(`${path}/rollouts`)).toHaveLength(1);
  });
});
