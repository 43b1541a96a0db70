import { expect, test, vi } from 'vitest';
import { blame } from '../support/fake-instance.ts';
import { useTimeSkipping } from '../support/time-skipping.ts';

const engine = useTimeSkipping();
const minuteMs = 60_000;

test('a clean-up that fails for a while is tried until it is done, and only then is the end recorded', async () => {
  const instance = await engine.createRunning();
  instance.before.cleanUp = (attempt) => {
    expect(instance.count('recordFinalStatus')).toBe(0);
    if (attempt < 15) throw new Error('The runtime is away.');
  };
  instance.rows.remove();
  await engine.announce(instance);
  await engine.handle(instance).result();
  expect(instance.count('cleanUp')).toBe(15);
  expect(instance.agent).toBeUndefined();
});

test('a clean-up that fails past its deadline is failed with the reason, and tried again after a pause', async () => {
  const instance = await engine.createRunning();
  const { rows } = instance;
  let away = true;
  instance.before.cleanUp = () => {
    if (away) throw new Error('The runtime is away.');
  };
  rows.desire('stopped');
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('cleanUp')).toBe(1));
  await engine.skip(61 * minuteMs);
  await engine.until(() => expect(rows.row()?.status).toBe('failed'));
  expect(rows.row()).toMatchObject({
    observedGeneration: 2,
    reason: { code: 'cleanup_failed', message: 'The runtime is away.' },
  });

  const tried = instance.count('cleanUp');
  await engine.skip(5 * minuteMs);
  expect(instance.count('cleanUp')).toBe(tried);
  await engine.skip(10 * minuteMs);
  expect(instance.count('cleanUp')).toBeGreaterThan(tried);

  away = false;
  await engine.skip(5 * minuteMs);
  await engine.until(() => expect(rows.row()?.status).toBe('stopped'));
  expect(rows.row()?.reason).toBeUndefined();
  expect(instance.agent).toBeUndefined();
  expect(instance.statuses()).toEqual(['running', 'failed', 'stopped']);
});

test('a retry ends the pause at once', async () => {
  const instance = await engine.createRunning();
  instance.before.cleanUp = () => {
    throw blame('provisioning_failed', 'It will not end.', true);
  };
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.reason?.code).toBe('cleanup_failed'));

  instance.before = {};
  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  // The clock stands still.
  await vi.waitFor(() => expect(instance.rows.row()?.status).toBe('stopped'));
});

test('what failed for good stays so when its clean-up took long', async () => {
  const instance = await engine.createRunning();
  instance.before.cleanUp = (attempt) => {
    if (attempt === 1) throw blame('provisioning_failed', 'It will not end.', true);
  };
  await engine.tell(instance, instance.endAgent('exited'));
  await engine.until(() => expect(instance.rows.row()?.reason?.code).toBe('cleanup_failed'));
  await engine.skip(11 * minuteMs);
  await engine.until(() => expect(instance.rows.row()?.reason?.code).toBe('agent_exited'));
  await engine.skip(60 * minuteMs);
  expect(instance.count('provision')).toBe(1);
});

test('a deletion waits for its clean-up past every deadline, and only then is the end recorded', async () => {
  const instance = await engine.createRunning();
  let away = true;
  instance.before.cleanUp = () => {
    expect(instance.count('recordFinalStatus')).toBe(0);
    if (away) throw new Error('The runtime is away.');
  };
  instance.rows.remove();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('cleanUp')).toBe(1));
  await engine.skip(3 * 60 * minuteMs);
  expect(instance.count('recordFinalStatus')).toBe(0);
  away = false;
  await engine.handle(instance).result();
  expect(instance.agent).toBeUndefined();
  expect(instance.statuses()).toEqual(['running', 'stopped']);
});

test('a clean-up that gives no sign of life is replaced by another', async () => {
  const instance = await engine.createRunning();
  instance.before.cleanUp = (attempt) => (attempt === 1 ? instance.killWorker() : undefined);
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.status).toBe('stopped'));
  expect(instance.count('cleanUp')).toBe(2);
});
