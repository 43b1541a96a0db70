import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { DeploymentInstance, DeploymentJson, WorkerBuild } from '../../database/deployments/deployment-json.ts';
import { healDeploymentInstances } from '../../database/deployments/steps.ts';
import { useAdminBackend } from '../support/admin-backend.ts';
import { createDeploymentRows, type DeploymentRows } from '../support/deployment-rows.ts';
import { useRig } from '../support/rig.ts';
import { signToken } from '../support/tokens.ts';

/** Without the deployer: its functions are called here. */
const rig = useRig();
const admin = useAdminBackend(rig);

/** Each test has a deployment name of its own. */
let rows: DeploymentRows;
const opened: DeploymentRows[] = [];

beforeEach(async () => {
  rows = await createDeploymentRows(rig.environment.DATABASE_URL);
  opened.push(rows);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

type Body = DeploymentJson & { code?: string; detail?: string };
const request = (json: object = {}, { token, key }: { token?: string; key?: string } = {}) =>
  admin.call<Body>('/v1/deployments', {
    method: 'POST',
    json: { deployment_name: rows.deploymentName, build_id: rows.builds.candidate, ...json },
    ...(token !== undefined && { token }),
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  });
const act = (id: string, action: string) => admin.call<Body>(`/v1/deployments/${id}/${action}`, { method: 'POST' });
const read = (id: string) => admin.call<Body>(`/v1/deployments/${id}`);
const list = async (query = '') =>
  (await admin.call<{ deployments: Body[] }>(`/v1/deployments?deployment_name=${rows.deploymentName}${query}`)).body
    .deployments;
const found = (id: string, query = '') =>
  admin.call<{ instances: DeploymentInstance[]; next_after: string | null }>(`/v1/deployments/${id}/instances${query}`);
const actions = ['pause', 'resume', 'promote', 'rollback', 'abort'];
const time = expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/) as string;

describe('a deployment', () => {
  test('is requested by an admin, and read with its strategy as it was given', async () => {
    const userId: string = randomUUID();
    const token = await signToken({ userId, roles: ['admin'] });
    const strategy = { steps: [5, 100], bake_seconds: 10 };
    const { status, body, headers } = await request({ strategy }, { token });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/deployments/${body.id}`);
    expect(body).toEqual({
      id: expect.any(String),
      deployment_name: rows.deploymentName,
      build_id: rows.builds.candidate,
      previous_build_id: rows.builds.previous,
      strategy,
      steps: [5, 100],
      desired_state: 'running',
      status: 'requested',
      percentage: 0,
      step: 0,
      held: 0,
      reset_instances: 0,
      gate: null,
      blast_radius: null,
      reason: null,
      requested_by: userId,
      requested_at: time,
      updated_at: time,
      promoted_at: null,
      ended_at: null,
    });
    expect((await read(body.id.toUpperCase())).body).toEqual(body);
  });

  test('shows how far it is, what the gate found, and what the candidate would do', async () => {
    const { body } = await request();
    const gate = {
      replayed: 200,
      failed: 1,
      problems: [],
      examples: [{ workflow_id: 'a', run_id: 'b', message: 'c' }],
    };
    const blast_radius = {
      examined: 200,
      changed: 3,
      disruptive: 1,
      effects: { restart: 1, record: 2 },
      examples: [{ workflow_id: 'a', effect: 'restart' }],
    };
    await rows.record(body.id, 'ramping', { gate, blast_radius, percentage: 0.5, step: 1, held: 1 });
    expect((await read(body.id)).body).toMatchObject({
      status: 'ramping',
      gate,
      blast_radius,
      percentage: 0.5,
      held: 1,
    });
    await rows.record(body.id, 'promoted', { percentage: 100 });
    expect((await read(body.id)).body).toMatchObject({ status: 'promoted', promoted_at: time, ended_at: null });
  });

  test('is listed, the newest first, by name and status', async () => {
    const { body: one } = await request();
    await rows.record(one.id, 'refused', { reason: { code: 'gate_failed', message: 'Because.' } });
    const { body: two } = await request({ build_id: rows.builds.next });
    expect((await list()).map(({ id }) => id)).toEqual([two.id, one.id]);
    expect(await list('&status=refused')).toMatchObject([
      { id: one.id, reason: { code: 'gate_failed', message: 'Because.' }, ended_at: time },
    ]);
    expect(await list('&limit=1')).toMatchObject([{ id: two.id }]);
    for (const query of ['deployment_name=a.b', 'deployment_name=', 'status=done', 'limit=0', 'build=1']) {
      expect(await admin.call(`/v1/deployments?${query}`)).toMatchObject({ status: 400 });
    }
  });

  test('is paused, resumed, promoted and aborted, each as often as asked', async () => {
    const { body } = await request();
    for (const [action, desired] of [
      ['pause', 'paused'],
      ['resume', 'running'],
      ['promote', 'promoted'],
      ['abort', 'aborted'],
    ] as const) {
      expect(await act(body.id, action)).toMatchObject({ status: 200, body: { desired_state: desired } });
      expect(await act(body.id, action)).toMatchObject({ status: 200, body: { desired_state: desired } });
    }
  });

  test('lists the instances of which something was found, page by page', async () => {
    const { body } = await request();
    const [a = '', b = ''] = [randomUUID(), randomUUID()].toSorted();
    await rows.find(body.id, 'replay_failed', [
      { instance_id: a, message: 'It differs.' },
      { instance_id: b, message: 'It differs.' },
    ]);
    await rows.find(body.id, 'would_change', [{ instance_id: a, message: 'restart' }]);
    await healDeploymentInstances(rows.pool, body.id, 'replay_failed', [b]);
    const first = (await found(body.id, '?limit=1')).body;
    expect(first.instances).toEqual([
      {
        instance_id: a,
        finding: 'replay_failed',
        message: 'It differs.',
        found_at: time,
        healed_at: null,
        status: null,
      },
    ]);
    const second = (await found(body.id, `?limit=1&after=${first.next_after}`)).body;
    const third = (await found(body.id, `?limit=1&after=${second.next_after}`)).body;
    expect([second.instances[0], third.instances[0]]).toMatchObject([
      { instance_id: a, finding: 'would_change' },
      { instance_id: b, finding: 'replay_failed', healed_at: time },
    ]);
    expect(third.next_after).toBeNull();
    expect((await found(body.id, '?finding=replay_failed&healed=false')).body.instances).toMatchObject([
      { instance_id: a },
    ]);
    expect((await found(body.id, '?healed=true')).body.instances).toMatchObject([{ instance_id: b }]);
    for (const query of [
      '?after=x',
      `?after=${a}`,
      `?after=${a}:other`,
      '?finding=other',
      '?healed=1',
      '?limit=1001',
    ]) {
      expect(await found(body.id, query)).toMatchObject({ status: 400 });
    }
  });

  test('takes over from a promoted one whose previous build drains', async () => {
    const { body: one } = await request();
    await rows.record(one.id, 'promoted', { percentage: 100 });
    await rows.route(rows.builds.candidate);
    expect(await request({ build_id: rows.builds.next })).toMatchObject({ status: 201 });
    expect((await read(one.id)).body).toMatchObject({ status: 'superseded', ended_at: time });
  });
});

test('the builds that were seen are listed with who serves whom', async () => {
  await rows.announce('1.3.0', 0);
  await rows.route(rows.builds.previous, { rampingBuildId: rows.builds.candidate, rampingPercentage: 10 });
  const { body } = await admin.call<{ builds: WorkerBuild[] }>('/v1/builds');
  const own = body.builds.filter(({ deployment_name: name }) => name === rows.deploymentName);
  const seen = { deployment_name: rows.deploymentName, first_seen_at: time };
  expect(own).toEqual([
    { ...seen, build_id: '1.3.0', is_current: false, ramping_percentage: null, is_running: false },
    { ...seen, build_id: rows.builds.candidate, is_current: false, ramping_percentage: 10, is_running: true },
    { ...seen, build_id: rows.builds.previous, is_current: true, ramping_percentage: null, is_running: true },
  ]);
});

describe('a repeated request', () => {
  test('with the same key requests nothing, also at the same time, and gets the deployment', async () => {
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 5 }, () => request({}, { key })));
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(201));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(4);
    await act(answers[0]?.body.id ?? '', 'abort');
    await rows.record(answers[0]?.body.id ?? '', 'aborted');
    expect(await request({}, { key })).toMatchObject({ status: 201, body: { status: 'aborted' } });
    expect(await list()).toHaveLength(1);
  });

  test('with the key of another deployment is refused, and keys of other admins are not that key', async () => {
    const key = randomUUID();
    await request({}, { key });
    for (const other of [{ build_id: rows.builds.next }, { strategy: { steps: [100] } }]) {
      expect(await request(other, { key })).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    }
    const token = await signToken({ userId: randomUUID(), roles: ['admin'] });
    expect(await request({}, { key, token })).toMatchObject({ status: 409, body: { code: 'deployment_active' } });
    expect(await request({}, { key: 'x'.repeat(256) })).toMatchObject({ status: 400 });
  });
});

describe('what cannot be done is refused with what to do', () => {
  test('a name that no agents_worker has had is not found', async () => {
    expect(await request({ deployment_name: 'nobody' })).toMatchObject({
      status: 404,
      body: {
        code: 'deployment_name_unknown',
        detail:
          'No agents_worker has had the deployment name nobody. Start one with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID.',
      },
    });
  });

  test('a deployment that nobody requested is not found', async () => {
    const nobody = randomUUID();
    const missing = { status: 404, body: { code: 'not_found' } };
    expect(await read(nobody)).toMatchObject(missing);
    expect(await found(nobody)).toMatchObject(missing);
    for (const action of actions) expect(await act(nobody, action)).toMatchObject(missing);
    for (const action of actions) expect(await act('latest', action)).toMatchObject({ status: 400 });
  });

  test('a second deployment of the name conflicts, and so does the current build', async () => {
    expect(await request({ build_id: rows.builds.previous })).toMatchObject({
      status: 409,
      body: {
        code: 'build_current',
        detail: `The build ${rows.builds.previous} is the current one already. Deploy another build.`,
      },
    });
    await request();
    const refused = await request({ build_id: rows.builds.next });
    expect(refused).toMatchObject({ status: 409, body: { code: 'deployment_active' } });
    expect(refused.body.detail).toMatch(/^Another deployment of \S+ is active\. Wait until it has ended/);
  });

  test('a rollback without a worker of the previous build conflicts', async () => {
    const { body } = await request();
    await rows.announce(rows.builds.previous, 0);
    await rows.record(body.id, 'promoted', { percentage: 100 });
    expect(await act(body.id, 'rollback')).toMatchObject({
      status: 409,
      body: {
        code: 'previous_build_absent',
        detail:
          `The deployment cannot be rolled back: no worker of the previous build ${rows.builds.previous} runs. ` +
          'Start an agents_worker of that build, and roll back then.',
      },
    });
    await rows.announce(rows.builds.previous);
    expect(await act(body.id, 'rollback')).toMatchObject({ status: 200, body: { desired_state: 'rolled_back' } });
  });

  test('a rollback of the first build conflicts', async () => {
    await rows.route(null);
    const { body } = await request();
    await rows.record(body.id, 'promoted', { percentage: 100 });
    expect(await act(body.id, 'rollback')).toMatchObject({ status: 409, body: { code: 'no_previous_build' } });
  });

  test('whatever is asked of a deployment that is ending or has ended conflicts', async () => {
    const { body } = await request();
    await rows.record(body.id, 'rolling_back', { reason: { code: 'task_failures', message: 'It fails.' } });
    for (const action of actions) {
      expect(await act(body.id, action)).toMatchObject({ status: 409, body: { code: 'deployment_ending' } });
    }
    for (const code of ['previous_absent', 'heal_failed']) {
      await rows.record(body.id, 'paused', { reason: { code, message: 'It waits.' } });
      for (const action of ['pause', 'promote']) {
        expect(await act(body.id, action)).toMatchObject({ status: 409, body: { code: 'deployment_ending' } });
      }
      expect(await act(body.id, 'resume')).toMatchObject({ status: 200 });
      await rows.record(body.id, 'rolling_back', { reason: { code: 'task_failures', message: 'It fails.' } });
    }
    await rows.record(body.id, 'rolled_back', { reason: { code: 'task_failures', message: 'It fails.' } });
    for (const action of actions) {
      expect(await act(body.id, action)).toMatchObject({
        status: 409,
        body: {
          code: 'deployment_ended',
          detail: 'The deployment has ended already: its status is rolled_back. Request another one.',
        },
      });
    }
  });

  test('an abort after the promotion conflicts', async () => {
    const { body } = await request();
    await rows.record(body.id, 'promoted', { percentage: 100 });
    for (const action of ['abort', 'promote']) {
      expect(await act(body.id, action)).toMatchObject({ status: 409, body: { code: 'deployment_promoted' } });
    }
  });

  test.each<[what: string, names: object]>([
    ['a deployment name with a dot', { deployment_name: 'agents.worker' }],
    ['a deployment name with a blank', { deployment_name: 'agents worker' }],
    ['no deployment name', { deployment_name: '' }],
    ['a deployment name that begins with a hyphen', { deployment_name: '-a' }],
    ['a deployment name of 129 characters', { deployment_name: 'a'.repeat(129) }],
    ['no build id', { build_id: '' }],
    ['a build id with a blank', { build_id: '1 2' }],
    ['a build id with a colon', { build_id: 'a:1' }],
    ['a build id with a line feed', { build_id: '1\n' }],
    ['a build id with a zero byte', { build_id: '1\0' }],
    ['a build id of 129 characters', { build_id: '1'.repeat(129) }],
    ['a build id that begins with a dot', { build_id: '.1' }],
  ])('%s is invalid', async (_, names) => {
    expect(await request(names)).toMatchObject({ status: 422, body: { code: 'invalid_name' } });
    expect(await list()).toEqual([]);
  });

  test.each<[what: string, strategy: object, says: RegExp]>([
    ['steps that fall', { steps: [10, 1, 100] }, /steps: The steps have to rise/],
    ['steps that stay', { steps: [10, 10, 100] }, /steps: The steps have to rise/],
    ['a step over 100 %', { steps: [10, 101] }, /steps\.1: A step is at most 100 %/],
    ['a step of nothing', { steps: [0, 100] }, /steps\.0: A step is at least 1 %/],
    ['no steps', { steps: [] }, /steps: There has to be at least one step/],
    ['steps that end early', { steps: [1, 50] }, /steps: The last step has to be 100/],
    ['21 steps', { steps: Array.from({ length: 21 }, (__, place) => 80 + place) }, /steps: There are at most 20 steps/],
    ['steps that are no list', { steps: 100 }, /steps: The steps are a list of percentages/],
    ['a step that is no number', { steps: ['1', 100] }, /steps\.0: A step is a percentage/],
    ['a bake under 10 s', { bake_seconds: 9.9 }, /bake_seconds: A time here is at least 10 s/],
    ['a bake of a year', { bake_seconds: 31_536_000 }, /bake_seconds: A time is at most 30 days/],
    ['half an instance', { min_instances: 0.5 }, /min_instances: A count is a whole number/],
    ['a rate of nothing', { probe_per_second: 0 }, /probe_per_second: The rate is at least 0\.1/],
    ['an answer to a break that nobody knows', { on_break: 'ignore' }, /on_break: Either "refuse" or "hold"/],
    ['a gate that is neither on nor off', { gate: true }, /gate: Either "on" or "off"/],
    ['a member that nobody knows', { step: [100] }, /step/],
    ['a canary that is no agent', { canary_agent_id: 'echo' }, /canary_agent_id: An id of an agent is a UUID/],
  ])('a strategy with %s is invalid', async (_, strategy, says) => {
    const refused = await request({ strategy });
    expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_strategy' } });
    expect(refused.body.detail).toMatch(says);
    expect(await list()).toEqual([]);
  });

  test('a canary of an agent that is not there, or is retired, is refused', async () => {
    const agentId = randomUUID();
    const refused = { status: 422, body: { code: 'agent_unknown' } };
    expect(await request({ strategy: { canary_agent_id: agentId } })).toMatchObject(refused);
    await rows.pool.query(
      `insert into agents (id, name, version, runtime, retired_at) values ($1, 'echo', '1', '{}', now())`,
      [agentId],
    );
    expect(await request({ strategy: { canary_agent_id: agentId } })).toMatchObject(refused);
    await rows.pool.query('update agents set retired_at = null where id = $1', [agentId]);
    expect(await request({ strategy: { canary_agent_id: agentId } })).toMatchObject({ status: 201 });
  });

  test('a body of another form is refused', async () => {
    for (const json of [{ strategy: [] }, { strategy: null }, { build_id: 1 }, { previous_build_id: '1' }]) {
      expect(await request(json)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    }
    expect(await admin.call('/v1/deployments', { method: 'POST', json: {} })).toMatchObject({ status: 400 });
  });
});
