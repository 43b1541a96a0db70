import { expect, test, vi } from 'vitest';
import type { FakeInstance } from '../support/fake-instance.ts';
import { useTimeSkipping } from '../support/time-skipping.ts';

const engine = useTimeSkipping();
const minuteMs = 60_000;
const patient = { backoffMs: 10 * minuteMs, maxBackoffMs: 15 * minuteMs, resetAfterMs: 60 * minuteMs };

const endAgent = (instance: FakeInstance, options?: { failed: boolean }) =>
  engine.tell(instance, instance.endAgent('exited', options));
const untilStatus = (instance: FakeInstance, status: string) =>
  engine.until(() => expect(instance.rows.row()?.status).toBe(status));
const startsAgain = (instance: FakeInstance, runtimeId: string) =>
  engine.until(() => expect([instance.agent?.runtimeId, instance.rows.row()?.status]).toEqual([runtimeId, 'running']));

test('an agent that fails is pending with a reason during the pause, and then runs again', async () => {
  const instance = await engine.createRunning({ policy: 'on_failure', ...patient });
  await endAgent(instance);
  await untilStatus(instance, 'pending');
  expect(instance.rows.row()?.reason).toEqual({
    code: 'restarting',
    message: 'It ended. Restart 1 of 3 after 600 s.',
  });
  await engine.skip(9 * minuteMs);
  expect(instance.count('provision')).toBe(1);
  await engine.skip(2 * minuteMs);
  await startsAgain(instance, 'runtime-2');
  expect(instance.rows.row()).toMatchObject({ observedGeneration: 1, reason: undefined });
  expect(instance.calls).toEqual(['provision', 'recordStatus', 'recordStatus', 'provision', 'recordStatus']);
});

test('the pause doubles up to its longest, and at the limit the instance is failed', async () => {
  const instance = await engine.createRunning({ policy: 'on_failure', ...patient });
  for (const [index, pauseMinutes] of [10, 15, 15].entries()) {
    await endAgent(instance);
    await untilStatus(instance, 'pending');
    await engine.skip((pauseMinutes - 1) * minuteMs);
    expect(instance.count('provision')).toBe(index + 1);
    await engine.skip(2 * minuteMs);
    await startsAgain(instance, `runtime-${index + 2}`);
  }
  await endAgent(instance);
  await untilStatus(instance, 'failed');
  expect(instance.rows.row()?.reason).toEqual({
    code: 'agent_exited',
    message: 'It ended. It was restarted 3 times in a row.',
  });
  await engine.skip(24 * 60 * minuteMs);
  expect(instance.count('provision')).toBe(4);

  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await startsAgain(instance, 'runtime-5');
  await endAgent(instance);
  await untilStatus(instance, 'pending');
});

test('an agent that ran for long begins a new row of restarts', async () => {
  const instance = await engine.createRunning({ policy: 'on_failure', ...patient, maxRestarts: 1 });
  for (const runtimeId of ['runtime-2', 'runtime-3', 'runtime-4']) {
    await endAgent(instance);
    await untilStatus(instance, 'pending');
    await engine.skip(11 * minuteMs);
    await startsAgain(instance, runtimeId);
    await engine.skip(60 * minuteMs);
  }
  expect(instance.statuses().includes('failed')).toBe(false);
});

test.each([
  ['never', true, 'failed'],
  ['on_failure', false, 'failed'],
  ['always', false, 'pending'],
] as const)('under the policy %s, an end that failed: %s makes it %s', async (policy, failed, status) => {
  const instance = await engine.createRunning({ policy, ...patient });
  await endAgent(instance, { failed });
  await untilStatus(instance, status);
  expect(instance.statuses()).toEqual(['running', status]);
});

test('a change of config ends the pause at once', async () => {
  const instance = await engine.createRunning({ policy: 'on_failure', ...patient });
  await endAgent(instance);
  await untilStatus(instance, 'pending');
  instance.rows.changeConfig();
  await engine.announce(instance);
  // The clock stands still.
  await vi.waitFor(() => expect(instance.rows.row()).toMatchObject({ status: 'running', observedGeneration: 2 }));
  expect((await engine.state(instance)).restarts.count).toBe(0);
});

test('a retry ends the pause at once', async () => {
  const instance = await engine.createRunning({ policy: 'on_failure', ...patient });
  await endAgent(instance);
  await untilStatus(instance, 'pending');
  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await vi.waitFor(() => expect(instance.rows.row()?.status).toBe('running'));
});

test('what is to stop during the pause is not started again', async () => {
  const instance = await engine.createRunning({ policy: 'always', ...patient });
  await endAgent(instance);
  await untilStatus(instance, 'pending');
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await untilStatus(instance, 'stopped');
  await engine.skip(60 * minuteMs);
  expect(instance.count('provision')).toBe(1);
});

test('a deletion during the pause ends it', async () => {
  const instance = await engine.createRunning({ policy: 'always', ...patient });
  await endAgent(instance);
  await untilStatus(instance, 'pending');
  instance.rows.remove();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('recordFinalStatus')).toBe(1));
  expect(instance.count('provision')).toBe(1);
});
