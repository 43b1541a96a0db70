import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  deploymentDesiredStates,
  deploymentFindings,
  deploymentStatuses,
  endedDeploymentStatuses,
} from '../../../contracts/names.ts';
import { findNamesWithDeployment, readActiveDeployment } from '../../../database/deployments/find.ts';
import {
  deleteCanary,
  healDeploymentInstances,
  insertCanary,
  recordDeployment,
  recordDeploymentInstances,
} from '../../../database/deployments/steps.ts';
import { createDeploymentRows, type DeploymentRows } from '../../support/deployment-rows.ts';
import { openEventLog } from '../../support/event-log.ts';

/** What the functions of deployments do to rows. The tests play the deployer. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let rows: DeploymentRows;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  rows = await createDeploymentRows(log.databaseUrl);
});
afterEach(() => rows.close());

describe('a request', () => {
  test('of an unknown name, of the current build, of an id that Temporal refuses, and beside an active one is refused', async () => {
    const insert = 'insert into deployments (deployment_name, build_id) values ($1, $2)';
    await expect(rows.pool.query(insert, ['unknown', '1'])).rejects.toMatchObject({
      code: '23503',
      constraint: 'deployments_name_exists',
    });
    await expect(rows.request(rows.builds.previous)).rejects.toMatchObject({
      constraint: 'deployments_build_is_not_current',
    });
    await expect(rows.request('a/b')).rejects.toMatchObject({ constraint: 'deployments_build_id' });
    await rows.request();
    await expect(rows.request(rows.builds.next)).rejects.toMatchObject({
      code: '23505',
      constraint: 'deployments_one_active',
    });
    await expect(rows.pool.query(`update deployments set build_id = '9'`)).rejects.toMatchObject({
      constraint: 'deployments_are_immutable',
    });
  });

  test('begins as requested with the current build as the previous one, whatever the client says', async () => {
    const { rows: made } = await rows.pool.query(
      `insert into deployments (deployment_name, build_id, status, desired_state, percentage, step, held, reset_instances, gate, reason,
         previous_build_id, promoted_at, ended_at, sequence)
       values ($1, $2, 'promoted', 'rolled_back', 7, 7, 7, 7, '{}', '{"code": "paused"}', 'x', now(), now(), 7)
       returning status, desired_state, percentage, step, held, reset_instances, gate, reason, previous_build_id, promoted_at, ended_at,
         sequence::int`,
      [rows.deploymentName, rows.builds.candidate],
    );
    expect(made).toEqual([
      {
        status: 'requested',
        desired_state: 'running',
        percentage: 0,
        step: 0,
        held: 0,
        reset_instances: 0,
        gate: null,
        reason: null,
        previous_build_id: rows.builds.previous,
        promoted_at: null,
        ended_at: null,
        sequence: 1,
      },
    ]);
  });

  test('of ten at once begins one', async () => {
    const requests = Array.from({ length: 10 }, () => rows.request());
    const outcomes = await Promise.allSettled(requests);
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(refusals).toHaveLength(9);
    for (const refusal of refusals) expect(refusal).toMatchObject({ constraint: 'deployments_one_active' });
  });

  test('takes over from a deployment whose previous build drains, but not while that one is to be rolled back', async () => {
    const first = await rows.request();
    await rows.record(first, 'promoted', { percentage: 100 });
    await rows.route(rows.builds.candidate);
    const second = await rows.request(rows.builds.next);
    expect(await rows.deployment(first)).toMatchObject({ status: 'superseded', code: 'superseded', ended: true });
    expect(await rows.deployment(second)).toMatchObject({
      status: 'requested',
      previous_build_id: rows.builds.candidate,
    });
    await rows.record(second, 'promoted', { percentage: 100 });
    await rows.route(rows.builds.next);
    await rows.want(second, 'rolled_back');
    await expect(rows.request(rows.builds.previous)).rejects.toMatchObject({ constraint: 'deployments_one_active' });
  });

  test('whose strategy cannot be followed is read with the reason', async () => {
    await rows.request(rows.builds.candidate, { steps: [10, 10, 50], bake_seconds: 1 });
    expect(await readActiveDeployment(rows.pool, rows.deploymentName)).toMatchObject({
      problem:
        'The strategy is invalid: steps: The steps have to rise, as in [1, 10, 50, 100]. steps: The last step has to be 100. ' +
        'bake_seconds: A time here is at least 10 s.',
      strategy: { steps: [1, 10, 50, 100], bakeSeconds: 300 },
    });
    expect(await readActiveDeployment(rows.pool, 'another')).toBeUndefined();
  });
});

describe('a wish', () => {
  test('of a deployment that has ended, or is being ended, is refused', async () => {
    const id = await rows.request();
    await rows.want(id, 'paused');
    await rows.want(id, 'promoted');
    await rows.want(id, 'aborted');
    await expect(rows.want(id, 'running')).rejects.toMatchObject({ constraint: 'deployments_is_not_ending' });
    await rows.record(id, 'aborted', { reason: { code: 'aborted', message: 'Somebody aborted it.' } });
    await expect(rows.want(id, 'running')).rejects.toMatchObject({ constraint: 'deployments_has_not_ended' });
    await rows.want(id, 'aborted');
  });

  test('to abort or promote a promoted deployment is refused, and to roll it back is not', async () => {
    const id = await rows.request();
    await rows.record(id, 'promoted', { percentage: 100 });
    await expect(rows.want(id, 'aborted')).rejects.toMatchObject({ constraint: 'deployments_is_not_promoted' });
    await expect(rows.want(id, 'promoted')).rejects.toMatchObject({ constraint: 'deployments_is_not_promoted' });
    await rows.want(id, 'rolled_back');
    await rows.record(id, 'rolling_back');
    await expect(rows.want(id, 'paused')).rejects.toMatchObject({ constraint: 'deployments_is_not_ending' });
  });

  test('to roll back is refused if no worker of the previous build runs, unless nothing was ramped', async () => {
    const id = await rows.request();
    await rows.announce(rows.builds.previous, 0);
    await rows.record(id, 'ramping', { percentage: 10, step: 2 });
    await expect(rows.want(id, 'rolled_back')).rejects.toMatchObject({
      constraint: 'deployments_previous_build_runs',
      message: `No worker of the previous build ${rows.builds.previous} runs`,
    });
    await rows.record(id, 'ramping', { percentage: 0 });
    await rows.want(id, 'rolled_back');
  });

  test('to roll the first build back is refused once it is the current one', async () => {
    await rows.route(null);
    const id = await rows.request();
    await rows.record(id, 'promoted', { percentage: 100 });
    await expect(rows.want(id, 'rolled_back')).rejects.toMatchObject({
      constraint: 'deployments_has_a_previous_build',
    });
    await rows.record(id, 'drained');
    await rows.route(null);
    const ramping = await rows.request(rows.builds.next);
    await rows.record(ramping, 'ramping', { percentage: 1, step: 1 });
    await rows.want(ramping, 'rolled_back');
    expect(await rows.deployment(ramping)).toMatchObject({ desired_state: 'rolled_back' });
  });

  test('to abort that the promotion overtakes becomes one to roll back, where there is a previous build', async () => {
    const id = await rows.request();
    await rows.want(id, 'aborted');
    expect(await rows.record(id, 'promoted', { percentage: 100 })).toEqual({
      status: 'promoted',
      desired_state: 'rolled_back',
    });
    await rows.record(id, 'rolled_back');
    await rows.route(null);
    for (const desired of ['aborted', 'rolled_back']) {
      const first = await rows.request();
      await rows.want(first, desired);
      expect(await rows.record(first, 'promoted', { percentage: 100 })).toMatchObject({ desired_state: 'running' });
      await rows.record(first, 'drained');
    }
  });

  test('of a rollback may be repeated where the deployer had to pause it', async () => {
    const id = await rows.request();
    await rows.record(id, 'promoted', { percentage: 100 });
    await rows.want(id, 'rolled_back');
    await rows.record(id, 'rolling_back');
    expect(
      await rows.record(id, 'paused', { pauses: true, reason: { code: 'previous_absent', message: 'It is gone.' } }),
    ).toEqual({ status: 'paused', desired_state: 'paused' });
    await rows.want(id, 'rolled_back');
    expect(await rows.deployment(id)).toMatchObject({ status: 'paused', desired_state: 'rolled_back' });
  });
});

describe('a step of the deployer', () => {
  test('changes what it names, takes the reason away, and is one event however often it is repeated', async () => {
    const id = await rows.request();
    const gate = { replayed: 200, failed: 0, problems: [], examples: [] };
    const blastRadius = { examined: 200, changed: 0, disruptive: 0, effects: {}, examples: [] };
    const reason = { code: 'awaiting_promotion', message: 'Promote it.' } as const;
    for (let repeated = 0; repeated < 3; repeated++) {
      await recordDeployment(rows.pool, id, { status: 'checking', gate, blastRadius });
    }
    await recordDeployment(rows.pool, id, { status: 'ramping', percentage: 0.3, step: 1, reason });
    await recordDeployment(rows.pool, id, { status: 'ramping', held: 2 });
    expect(await rows.events(id)).toBe(4);
    expect(await readActiveDeployment(rows.pool, rows.deploymentName)).toMatchObject({
      id,
      status: 'ramping',
      percentage: 0.3,
      step: 1,
      held: 2,
      gate,
      blastRadius,
      reason: null,
      secondsSincePromotion: null,
    });
  });

  test('that comes late changes neither an end, nor a promotion, nor a rollback', async () => {
    const id = await rows.request();
    await rows.record(id, 'promoted', { percentage: 100 });
    expect(await rows.record(id, 'ramping', { percentage: 10 })).toMatchObject({ status: 'promoted' });
    await rows.record(id, 'rolling_back');
    expect(await rows.record(id, 'promoted')).toMatchObject({ status: 'rolling_back' });
    await rows.record(id, 'rolled_back', { reason: { code: 'task_failures', message: 'It failed.' } });
    expect(await rows.record(id, 'rolling_back')).toMatchObject({ status: 'rolled_back' });
    expect(await rows.deployment(id)).toMatchObject({ percentage: 100, code: 'task_failures', ended: true });
    expect(await rows.record(randomUUID(), 'ramping')).toBeUndefined();
  });

  test('that is repeated after a person let the deployment go on does not pause it again', async () => {
    const id = await rows.request();
    const { sequence = 0 } = (await readActiveDeployment(rows.pool, rows.deploymentName)) ?? {};
    const pause = () => recordDeployment(rows.pool, id, { status: 'paused', pauses: true, sequence });
    expect(await pause()).toEqual({ status: 'paused', desiredState: 'paused' });
    await rows.want(id, 'promoted');
    expect(await pause()).toEqual({ status: 'paused', desiredState: 'promoted' });
  });

  test.each(deploymentStatuses)('may be the status %s', async (status) => {
    const id = await rows.request();
    await rows.record(id, status);
    expect(await rows.deployment(id)).toMatchObject({
      status,
      ended: endedDeploymentStatuses.some((ended) => ended === status),
      promoted: status === 'promoted',
    });
  });

  test('stores messages of any length and with any character', async () => {
    const id = await rows.request();
    const message = `\0\uD800${'💥完'.repeat(5_000)}`;
    await recordDeployment(rows.pool, id, {
      status: 'refused',
      gate: {
        replayed: 100,
        failed: 100,
        problems: Array<string>(100).fill(message),
        examples: Array.from({ length: 100 }, () => ({ workflow_id: 'instance/1', run_id: '2', message })),
      },
      reason: { code: 'gate_failed', message },
    });
    await recordDeploymentInstances(rows.pool, id, 'replay_failed', [{ instanceId: randomUUID(), message }]);
    const { rows: stored } = await rows.pool.query<{ gate: { examples: unknown[] } }>(
      'select gate from deployments where id = $1',
      [id],
    );
    expect(stored[0]?.gate.examples).toHaveLength(20);
  });
});

describe('what is found about instances', () => {
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
  const foundOf = async (id: string) => {
    const { rows: found } = await rows.pool.query<{ finding: string; instance_id: string; healed: boolean }>(
      `select finding, instance_id, message, healed_at is not null as healed from deployment_instances
       where deployment_id = $1 order by finding, message`,
      [id],
    );
    return found;
  };

  test.each(deploymentFindings)('may be %s', async (finding) => {
    const id = await rows.request();
    await rows.find(id, finding, [{ instance_id: a, message: 'Because.' }]);
    expect(await foundOf(id)).toMatchObject([{ finding, instance_id: a }]);
  });

  test('is kept once for each instance, is healed, and comes back', async () => {
    const id = await rows.request();
    await rows.find(id, 'task_failed', [
      { instance_id: a, message: '1' },
      { instance_id: b, message: '2' },
      { instance_id: b, message: '2' },
    ]);
    await healDeploymentInstances(rows.pool, id, 'task_failed', [a, b]);
    await rows.find(id, 'task_failed', [{ instance_id: b, message: '3' }]);
    expect(await foundOf(id)).toMatchObject([
      { instance_id: a, message: '1', healed: true },
      { instance_id: b, message: '3', healed: false },
    ]);
  });

  test('is replaced by a new look at all instances, and other findings stay', async () => {
    const id = await rows.request();
    await rows.find(id, 'would_change', [{ instance_id: a, message: '1' }]);
    await rows.find(id, 'replay_failed', [{ instance_id: c, message: '1' }]);
    await rows.find(id, 'would_change', [{ instance_id: b, message: '2' }], true);
    expect(await foundOf(id)).toMatchObject([
      { finding: 'replay_failed', instance_id: c },
      { finding: 'would_change', instance_id: b },
    ]);
    await rows.find(id, 'would_change', [], true);
    expect(await foundOf(id)).toHaveLength(1);
  });
});

test('the canary of a deployment is one instance that nobody owns, and only it is deleted', async () => {
  const agentId = randomUUID();
  await rows.pool.query(`insert into agents (id, name, version, runtime) values ($1, 'echo', '1', '{}')`, [agentId]);
  const id = await rows.request(rows.builds.candidate, { canary_agent_id: agentId });
  const canary = await insertCanary(rows.pool, id);
  expect(await insertCanary(rows.pool, id)).toBe(canary);
  const { rows: found } = await rows.pool.query('select id, user_id, metadata from instances where agent_id = $1', [
    agentId,
  ]);
  expect(found).toEqual([{ id: canary, user_id: id, metadata: { deployment_id: id } }]);
  await rows.pool.query('insert into instances (agent_id, user_id) values ($1, $2)', [agentId, id]);
  await deleteCanary(rows.pool, id);
  await deleteCanary(rows.pool, id);
  const { rows: left } = await rows.pool.query<{ id: string }>('select id from instances where agent_id = $1', [
    agentId,
  ]);
  expect(left.map((row) => row.id)).not.toContain(canary);
  expect(left).toHaveLength(1);
  await rows.record(id, 'refused');
  expect(await insertCanary(rows.pool, id)).toBeUndefined();
});

test('every kind of change is an event of the documented form, and only the promotion is one', async () => {
  await log.expectDocumented();
  const id = await rows.request(rows.builds.candidate, { steps: [100] });
  for (const desired of deploymentDesiredStates) if (desired === 'paused') await rows.want(id, desired);
  await rows.record(id, 'checking', { gate: { replayed: 1, failed: 0, problems: ['A.'], examples: [] } });
  await rows.record(id, 'ramping', { percentage: 12.5, step: 1 });
  await rows.record(id, 'promoted', { percentage: 100 });
  for (let change = 1; change <= 5; change++) await rows.record(id, 'promoted', { held: change });
  await rows.want(id, 'rolled_back');
  await rows.record(id, 'rolling_back', {
    reason: { code: 'rollback_requested', message: 'Somebody asked for it. 完' },
  });
  await rows.record(id, 'rolled_back', {
    reset_instances: 3,
    reason: { code: 'rollback_requested', message: 'Somebody asked for it.' },
  });
  const events = await log.expectDocumented();
  expect(events.map(({ metadata }) => metadata.type)).toEqual([
    'deployment.requested',
    ...Array<string>(3).fill('deployment.updated'),
    'deployment.promoted',
    ...Array<string>(7).fill('deployment.updated'),
    'deployment.rolled_back',
  ]);
  expect(events.map(({ metadata }) => metadata.sequence)).toEqual(Array.from({ length: 13 }, (_, place) => place + 1));
  const [requested, wish, ...steps] = events;
  expect(wish?.metadata.causationId).toBeUndefined();
  expect(steps.filter(({ metadata }) => metadata.causationId === requested?.metadata.id)).toHaveLength(10);
});

test('the deletion of a row ends its deployment', async () => {
  await log.expectDocumented();
  const id = await rows.request();
  await rows.pool.query('delete from deployments where id = $1', [id]);
  const events = await log.expectDocumented();
  expect(events.map(({ body }) => body)).toMatchObject([
    { deployment_id: id },
    { deployment_id: id, status: 'aborted' },
  ]);
  await expect(rows.pool.query('truncate deployments cascade')).rejects.toThrow('would end instances');
});

test('a worker that says again that it runs counts as running, and never shortens what another one said', async () => {
  const runs = async (): Promise<boolean | undefined> => {
    const { rows: found } = await rows.pool.query<{ runs: boolean }>('select has_live_workers($1, $2) as runs', [
      rows.deploymentName,
      rows.builds.candidate,
    ]);
    return found[0]?.runs;
  };
  await rows.pool.query('select announce_build($1, $2, 0)', [rows.deploymentName, rows.builds.candidate]);
  expect(await runs()).toBe(true);
  await rows.announce(rows.builds.candidate, 0);
  expect(await runs()).toBe(false);
  await rows.announce(rows.builds.candidate, 60);
  expect(await runs()).toBe(true);
  await expect(rows.pool.query(`select announce_build('a.b', '1', 60)`)).rejects.toMatchObject({
    constraint: 'worker_deployments_name',
  });
});

test('the names with a deployment that has not ended, and has not changed for a while, are found', async () => {
  const id = await rows.request();
  expect(await findNamesWithDeployment(rows.pool, 0)).toContain(rows.deploymentName);
  expect(await findNamesWithDeployment(rows.pool, 60)).not.toContain(rows.deploymentName);
  await rows.record(id, 'aborted');
  expect(await findNamesWithDeployment(rows.pool, 0)).not.toContain(rows.deploymentName);
});
