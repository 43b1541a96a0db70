import { describe, expect, test, vi } from 'vitest';
import { rolloutWorkflowId } from '../../contracts/names.ts';
import { rolloutStatusAttribute } from '../../workflows/search-attributes.ts';
import { useRig } from '../support/rig.ts';
import { rolloutsOn } from '../support/rollouts.ts';

/** Rollouts through the bus, from rows to running agents. Each test has an agent of its own, so that all run at the same time. */

const rig = useRig({ services: ['event_broker', 'agents_worker'], settings: { SWEEP_INTERVAL_SECONDS: '1' } });
const on = () => rolloutsOn(rig);

const headersOf = ({ headers }: { headers: Record<string, unknown> }) => ({
  id: headers['cloudEvents:id'],
  cause: headers['cloudEvents:causationid'],
  correlation: headers['cloudEvents:correlationid'],
});

describe.concurrent('a published version', () => {
  test('reaches every instance, wave by wave, joined to the publication by causes', async () => {
    const { start, publish, quick, idOf, until, untilRunning, stableVersion, mostOut, statuses } = on();
    const { agentId, ids } = await start(5);
    await publish(agentId, '2', { strategy: quick });
    const id = await idOf(agentId, '2');
    expect(await until(id, 'completed')).toMatchObject({ total: 5, moved: 5, healthy: 5, failed: 0, wave: 3 });
    await untilRunning(agentId, '2', 5);
    expect(await stableVersion(agentId)).toBe('2');
    await rig.bus.until(id, 'rollout.completed');
    expect(statuses(id)).toEqual(['rollout.requested', 'requested', 'progressing', 'rollout.completed']);
    expect(mostOut(agentId, '2')).toBeLessThanOrEqual(2);

    const published = rig.bus.of(agentId).find(({ body }) => body['version'] === '2');
    const [requested, ...later] = rig.bus.of(id);
    if (!published || !requested) throw new Error('The events are missing.');
    expect(headersOf(requested)).toMatchObject({
      cause: headersOf(published).id,
      correlation: headersOf(published).correlation,
    });
    const moves = ids.map((each) => rig.bus.of(each).find(({ body }) => body['agent_version'] === '2'));
    for (const event of [...moves, ...later]) {
      expect(event && headersOf(event)).toMatchObject({
        cause: headersOf(requested).id,
        correlation: headersOf(published).correlation,
      });
    }
    // Nothing is left to drive.
    const workflow = rig.client.workflow.getHandle(rolloutWorkflowId(agentId));
    await workflow.result();
    await vi.waitFor(async () => {
      const { typedSearchAttributes } = await workflow.describe();
      expect(typedSearchAttributes.get(rolloutStatusAttribute)).toBe('completed');
    }, 30_000);
    const born = await rig.insertInstance(agentId);
    expect((await rig.bus.until(born, 'instance.created')).body).toMatchObject({ agent_version: '2' });
  });

  test('without any instance to move completes at once, and says 0', async () => {
    const { publish, quick, idOf } = on();
    const agentId = await rig.publishAgent();
    await publish(agentId, '2', { strategy: quick });
    const { body } = await rig.bus.until(await idOf(agentId, '2'), 'rollout.completed');
    expect(body).toMatchObject({ total: 0, moved: 0, healthy: 0, failed: 0 });
  });

  test('with a strategy that nobody can follow is refused, with the sentence', async () => {
    const { publish, idOf, until } = on();
    const agentId = await rig.publishAgent();
    await publish(agentId, '2', { strategy: { canary: { percent: 101 } } });
    const { reason } = await until(await idOf(agentId, '2'), 'refused', 'invalid_strategy');
    expect(reason?.message).toMatch(/A percentage is at most 100/);
  });
});

describe.concurrent('a version that fails', () => {
  test.each<[what: string, version: { script?: string } & Record<string, unknown>, strategy: object, says: RegExp]>([
    // On a busy machine some seconds pass until an end is noticed, and the version must not count as healthy meanwhile.
    [
      'crashes at its start',
      { script: 'exit 3' },
      { min_healthy_seconds: 15, healthy_deadline_seconds: 60 },
      /1 of the 1 moved instances failed.*none may.*code 3/,
    ],
    [
      'never becomes ready',
      { ready: 'file', ready_timeout_seconds: 1 },
      { healthy_deadline_seconds: 4 },
      /1 of the 1 moved instances failed.*It was not healthy within 4 s/,
    ],
    [
      'crashes again and again',
      { script: 'exit 3', restart: { policy: 'always', backoff_seconds: 0.2, max_restarts: 1_000 } },
      { min_healthy_seconds: 15, healthy_deadline_seconds: 16 },
      /1 of the 1 moved instances failed.*It was not healthy within 16 s/,
    ],
    [
      'crashes after it was healthy',
      { script: 'sleep 4; exit 3' },
      { min_healthy_seconds: 1, auto_promote: false },
      /1 of the 1 moved instances failed.*code 3/,
    ],
  ])('that %s moves no more than the canary, which goes back, and is withdrawn', async (_, version, strategy, says) => {
    const { start, publish, quick, idOf, until, untilRunning, isWithdrawn, stableVersion, moved } = on();
    const { agentId } = await start(4);
    await publish(agentId, '2', { strategy: { ...quick, ...strategy }, ...version });
    const id = await idOf(agentId, '2');
    await until(id, 'rolled_back', 'canary_failed');
    await untilRunning(agentId, '1', 4);
    expect([await isWithdrawn(agentId, '2'), await stableVersion(agentId)]).toEqual([true, '1']);
    const { body } = await rig.bus.until(id, 'rollout.rolled_back');
    expect(body).toMatchObject({ moved: 1, failed: 1, reverted: 1, total: 4, reason: { code: 'canary_failed' } });
    expect((body['reason'] as { message: string }).message).toMatch(says);
    expect(moved(agentId, '2').size).toBe(1);
  });

  test('is paused where nothing may be rolled back by itself, and goes on when a person says so', async () => {
    const { start, publish, request, quick, until, want, untilRunning } = on();
    const { agentId, ids } = await start(2);
    // The instance that is started first fails, however often it is started.
    await publish(agentId, '2', {
      script: `mkdir "$FIRST" 2>/dev/null && : > "$FIRST/$INSTANCE_ID"; [ -e "$FIRST/$INSTANCE_ID" ] && exit 3; exec sleep 100000`,
      environment: { FIRST: `${rig.environment.RUNTIME_DIRECTORY}/first-${agentId}` },
    });
    const id = await request(agentId, '2', {
      ...quick,
      min_healthy_seconds: 15,
      healthy_deadline_seconds: 60,
      auto_rollback: false,
    });
    await until(id, 'paused', 'canary_failed');
    await untilRunning(agentId, '1', ids.length - 1);
    await want(id, `desired_state = 'running'`);
    expect(await until(id, 'completed')).toMatchObject({ moved: 2, healthy: 1, failed: 1 });
    await untilRunning(agentId, '2', ids.length - 1);
  });
});

describe.concurrent('a person', () => {
  test('promotes the canary, pauses the waves, and resumes them', async () => {
    const { start, publish, request, quick, until, want, untilRunning, read, statuses } = on();
    const { agentId } = await start(5);
    await publish(agentId, '2');
    const id = await request(agentId, '2', { ...quick, auto_promote: false, pause_between_waves_seconds: 1 });
    expect(await until(id, 'paused', 'awaiting_promotion')).toMatchObject({ moved: 1, healthy: 1 });
    await want(id, 'promoted = true');
    await until(id, 'progressing');
    await want(id, `desired_state = 'paused'`);
    const { moved } = await until(id, 'paused', 'paused');
    await vi.waitFor(async () => expect((await read(id)).healthy).toBe(moved), { timeout: 20_000 });
    expect((await read(id)).moved).toBe(moved);
    await want(id, `desired_state = 'running'`);
    await until(id, 'completed');
    await untilRunning(agentId, '2', 5);
    await rig.bus.until(id, 'rollout.completed');
    expect(statuses(id)).toEqual([
      'rollout.requested',
      'requested',
      'progressing',
      'paused',
      'progressing',
      'paused',
      'progressing',
      'rollout.completed',
    ]);
  });

  test('aborts a rollout: every instance gets its own version back, and the version stays', async () => {
    const { start, publish, request, quick, until, want, untilRunning, isWithdrawn } = on();
    const { agentId, ids } = await start(3);
    await publish(agentId, '2');
    await rig.pool.query(`update instances set agent_version = '2' where id = $1`, [ids[0]]);
    await publish(agentId, '3');
    const id = await request(agentId, '3', { ...quick, auto_promote: false, canary: { count: 2 } });
    await until(id, 'paused', 'awaiting_promotion');
    await want(id, `desired_state = 'aborted'`);
    await until(id, 'aborted', 'aborted');
    await untilRunning(agentId, '1', 2);
    await untilRunning(agentId, '2', 1);
    expect(await isWithdrawn(agentId, '3')).toBe(false);
  });

  test('publishes a newer version, whose rollout takes over, and rolls back behind both', async () => {
    const { start, publish, quick, idOf, until, untilRunning } = on();
    const { agentId } = await start(3);
    const strategy = { ...quick, on_new_version: 'supersede' };
    await publish(agentId, '2', { strategy: { ...strategy, auto_promote: false } });
    const first = await idOf(agentId, '2');
    await until(first, 'paused', 'awaiting_promotion');
    await publish(agentId, '3', {
      script: 'exit 3',
      strategy: {
        ...strategy,
        canary: { count: 3 },
        max_parallel: { count: 3 },
        min_healthy_seconds: 15,
        healthy_deadline_seconds: 60,
      },
    });
    const second = await idOf(agentId, '3');
    await until(first, 'superseded', 'superseded');
    expect(await until(second, 'rolled_back', 'canary_failed')).toMatchObject({ moved: 3, reverted: 3 });
    await untilRunning(agentId, '1', 3);
  });

  test('retires the agent in the middle: the rollout ends, and what was moved runs on', async () => {
    const { start, publish, request, quick, until, untilRunning } = on();
    const { agentId } = await start(2);
    await publish(agentId, '2');
    const id = await request(agentId, '2', { ...quick, auto_promote: false });
    await until(id, 'paused', 'awaiting_promotion');
    await rig.pool.query('update agents set retired_at = now() where id = $1', [agentId]);
    expect(await until(id, 'aborted', 'agent_retired')).toMatchObject({ moved: 1, reverted: 0 });
    await untilRunning(agentId, '2', 1);
    await untilRunning(agentId, '1', 1);
  });
});

describe.concurrent('a workflow that was terminated', () => {
  test('is started again by the next event of its rollout, and goes on where the rows are', async () => {
    const { start, publish, request, quick, until, want, untilRunning } = on();
    const { agentId } = await start(3);
    await publish(agentId, '2');
    const id = await request(agentId, '2', { ...quick, auto_promote: false });
    await until(id, 'paused', 'awaiting_promotion');
    await rig.client.workflow.getHandle(rolloutWorkflowId(agentId)).terminate('by the test');
    await want(id, 'promoted = true');
    expect(await until(id, 'completed')).toMatchObject({ moved: 3, wave: 2 });
    await untilRunning(agentId, '2', 3);
  });

  test('is started again by the sweeper', async () => {
    const { start, publish, request, quick, until, untilRunning } = on();
    const { agentId } = await start(3);
    await publish(agentId, '2');
    const id = await request(agentId, '2', { ...quick, min_healthy_seconds: 2 });
    await until(id, 'progressing');
    await rig.client.workflow.getHandle(rolloutWorkflowId(agentId)).terminate('by the test');
    // As if its last change were long ago: what changed just now is left alone by the sweeper.
    await rig.pool.query(
      `begin; set local session_replication_role = replica;
       update rollouts set updated_at = updated_at - interval '1 hour' where id = '${id}'; commit`,
    );
    expect(await until(id, 'completed')).toMatchObject({ moved: 3 });
    await untilRunning(agentId, '2', 3);
  });
});
