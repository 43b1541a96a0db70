import { ApplicationFailure } from '@temporalio/common';
import { expect, test, vi } from 'vitest';
import { blame, workUntilCancelled, type FakeInstance } from '../support/fake-instance.ts';
import { useTimeSkipping } from '../support/time-skipping.ts';

const engine = useTimeSkipping();
const minuteMs = 60_000;

const untilStatus = (instance: FakeInstance, status: string) =>
  engine.until(() => expect(instance.rows.row()?.status).toBe(status));

test('provisioning that fails a few times is tried again, and nobody hears of it', async () => {
  const instance = engine.create();
  instance.before.provision = (attempt) => {
    if (attempt < 5) throw blame('provisioning_failed', 'It was not ready in time.');
  };
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'running');
  expect(instance.statuses()).toEqual(['running']);
  expect(instance.count('provision')).toBe(5);
});

test('provisioning that keeps failing becomes failed with its reason, and a new generation recovers', async () => {
  const instance = engine.create();
  instance.before.provision = (attempt) => {
    instance.startAgent(1);
    if (attempt <= 5) throw blame('provisioning_failed', 'It was not ready in time.');
  };
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'failed');
  expect(instance.rows.row()).toMatchObject({
    observedGeneration: 1,
    reason: { code: 'provisioning_failed', message: 'It was not ready in time.' },
  });
  expect(instance.agent).toBeUndefined();
  await engine.skip(60 * minuteMs);
  expect(instance.count('provision')).toBe(5);

  instance.rows.changeConfig();
  await engine.announce(instance);
  await untilStatus(instance, 'running');
  expect(instance.rows.row()).toMatchObject({ observedGeneration: 2, reason: undefined });
  expect(instance.statuses()).toEqual(['failed', 'pending', 'running']);
});

test.each(['agent_retired', 'spec_rejected'] as const)('%s fails at once', async (code) => {
  const instance = engine.create();
  instance.before.provision = () => {
    throw blame(code, 'It cannot run.', true);
  };
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'failed');
  expect(instance.rows.row()?.reason).toEqual({ code, message: 'It cannot run.' });
  expect(instance.calls).toEqual(['provision', 'cleanUp', 'recordStatus']);
});

test('a failed instance is tried again when that is asked for, once for each request', async () => {
  const instance = engine.create();
  instance.before.provision = () => {
    throw blame('spec_rejected', 'It cannot run.', true);
  };
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'failed');
  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await engine.until(() => expect(instance.count('provision')).toBe(2));
  await untilStatus(instance, 'failed');

  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await engine.skip(60 * minuteMs);
  expect(instance.count('provision')).toBe(2);

  instance.before = {};
  await engine.tell(instance, { type: 'retryRequested', requestId: 'second' });
  await untilStatus(instance, 'running');
  expect(instance.rows.row()).toMatchObject({ observedGeneration: 1, reason: undefined });
  expect(instance.statuses()).toEqual(['failed', 'pending', 'failed', 'pending', 'running']);
});

test('a failed instance that is deleted ends', async () => {
  const instance = engine.create();
  instance.before.provision = () => {
    throw blame('spec_rejected', 'It cannot run.', true);
  };
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'failed');
  instance.rows.remove();
  await engine.announce(instance);
  await engine.handle(instance).result();
  expect(instance.statuses()).toEqual(['failed', 'stopped']);
});

test('what is not the fault of the instance never makes it failed, however long it lasts', async () => {
  const instance = engine.create();
  instance.before.provision = (attempt) => {
    if (attempt <= 12) throw new Error('The database is away.');
  };
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'running');
  expect(instance.statuses()).toEqual(['running']);
});

test('an attempt that gives no sign of life is replaced by another', async () => {
  const instance = engine.create();
  instance.before.provision = (attempt) => (attempt === 1 ? instance.killWorker() : undefined);
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'running');
  expect(instance.count('provision')).toBe(2);
  expect(instance.statuses()).toEqual(['running']);
});

test('a deletion while provisioning waits for its next attempt ends the wait', async () => {
  const instance = engine.create();
  instance.before.provision = () => {
    const failure = { type: 'provisioning_failed', message: 'It was not ready in time.' };
    throw ApplicationFailure.create({ ...failure, nextRetryDelay: '1 hour' });
  };
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('provision')).toBe(1));
  instance.rows.remove();
  await engine.announce(instance);
  // The next attempt would come in an hour: none may be needed.
  await vi.waitFor(() => expect(instance.count('recordFinalStatus')).toBe(1));
  expect(instance.count('provision')).toBe(1);
});

test('an agent that exits is cleaned up after, and its instance failed with the reason', async () => {
  const instance = await engine.createRunning();
  await engine.tell(instance, instance.endAgent('exited'));
  await untilStatus(instance, 'failed');
  expect(instance.rows.row()?.reason).toEqual({ code: 'agent_exited', message: 'It ended.' });
  expect(instance.calls).toEqual(['provision', 'recordStatus', 'cleanUp', 'recordStatus']);
});

test('an agent that was lost is started again', async () => {
  const instance = await engine.createRunning();
  await engine.tell(instance, instance.endAgent('lost'));
  const settled = () => [instance.agent?.runtimeId, instance.rows.row()?.status];
  await engine.until(() => expect(settled()).toEqual(['runtime-2', 'running']));
  expect(instance.statuses()).toEqual(['running', 'pending', 'running']);
});

test('an exit that is reported while provisioning goes on is not forgotten', async () => {
  const instance = engine.create();
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  instance.before.provision = async (_, signal) => {
    instance.startAgent(1);
    await workUntilCancelled(signal, { orUntil: finished });
  };
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.agent).toBeDefined());
  const { runtimeId } = instance.agent ?? { runtimeId: '' };
  await engine.tell(instance, { type: 'runtimeExited', runtimeId, kind: 'exited', failed: true, message: 'It ended.' });
  finish();
  await untilStatus(instance, 'failed');
  expect(instance.agent).toBeUndefined();
});

test('a status that cannot be recorded for minutes is recorded in the end', async () => {
  const instance = engine.create();
  instance.before.recordStatus = (attempt) => {
    if (attempt <= 12) throw new Error('The database is away.');
  };
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'running');
  expect(instance.calls).toEqual(['provision', ...Array.from({ length: 13 }, () => 'recordStatus')]);
});

test('a status that was written but not answered is written again without a second event', async () => {
  const instance = await engine.createRunning();
  const { rows } = instance;
  const done = instance.count('recordStatus');
  instance.before.recordStatus = (attempt) => {
    if (attempt > done + 2) return;
    rows.recordStatus({ status: 'stopped', generation: 2 });
    throw new Error('The connection broke.');
  };
  rows.desire('stopped');
  await engine.announce(instance);
  await engine.until(() => expect(instance.count('recordStatus')).toBe(done + 3));
  expect(rows.log.filter(({ row }) => row.status === 'stopped')).toHaveLength(1);
});
