import { expect, inject, test, vi } from 'vitest';
import { messagesOf, useCountingBundle } from '../support/counting-bundle.ts';
import { openDevServer, useEngine } from '../support/engine.ts';
import { workUntilCancelled } from '../support/fake-instance.ts';

/** The time-skipping server never suggests to continue as new; the dev server does after as many events as it is told. */
const engine = useEngine({
  program: inject('temporalPrograms').dev,
  open: openDevServer('limit.historyCount.suggestContinueAsNew=50'),
  bundle: useCountingBundle(),
});

test('many signals make the workflow continue as new, and none is lost', async () => {
  const instance = engine.create();
  const { rows } = instance;
  rows.insert();
  await engine.announce(instance);
  for (let round = 0; engine.runs().length <= 3; round += 1) {
    expect(round).toBeLessThan(100);
    for (let change = 0; change < 20; change += 1) rows.changeConfig();
    const sequences = Array.from({ length: 20 }, (_, index) => rows.log.length - index);
    await Promise.all(sequences.map((sequence) => engine.announce(instance, sequence)));
    const { generation } = rows.row() ?? {};
    await vi.waitFor(() => expect(rows.row()).toMatchObject({ status: 'running', observedGeneration: generation }), {
      timeout: 20_000,
    });
    expect(instance.agent?.generation).toBe(generation);
  }

  rows.remove();
  await engine.announce(instance);
  await engine.handle(instance).result();
  expect(instance.agent).toBeUndefined();
});

test('a run that continued knows what the one before it knew', async () => {
  const instance = await engine.createRunning();
  const before = await engine.state(instance);
  const { calls } = instance;
  const callsBefore = [...calls];
  let times = 0;
  for (; engine.runs().length < 3; times += 1) {
    expect(times).toBeLessThan(1_000);
    await engine.announce(instance, 1);
  }
  expect(await engine.state(instance)).toEqual({ ...before, messages: messagesOf(before) + times });
  expect(calls).toEqual(callsBefore);

  await engine.tell(instance, instance.endAgent('exited'));
  await vi.waitFor(() => expect(instance.rows.row()?.status).toBe('failed'), { timeout: 20_000 });
});

test('a run that continued goes on with the pause, the restarts and the retries of the one before it', async () => {
  const instance = await engine.createRunning({ policy: 'on_failure', backoffMs: 600_000, maxBackoffMs: 600_000 });
  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await engine.tell(instance, instance.endAgent('exited'));
  await vi.waitFor(() => expect(instance.rows.row()?.reason?.code).toBe('restarting'), { timeout: 20_000 });
  await engine.untilAtRest(instance);
  const before = await engine.state(instance);
  for (let times = 0; engine.runs().length < 3; times += 1) {
    expect(times).toBeLessThan(1_000);
    await engine.announce(instance, 1);
  }
  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  const after = await engine.state(instance);
  expect(after).toEqual({ ...before, messages: messagesOf(after) });
  expect(after).toMatchObject({ obstacle: { kind: 'restarting' }, restarts: { count: 1 } });

  await engine.tell(instance, { type: 'retryRequested', requestId: 'second' });
  await vi.waitFor(() => expect(instance.rows.row()?.status).toBe('running'), { timeout: 20_000 });
});

test('a provisioning under many signals is not begun again', async () => {
  const instance = engine.create();
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  instance.before.provision = (_, signal) => workUntilCancelled(signal, { orUntil: finished });
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(async () => expect(await engine.stepsUnderWay(instance)).toEqual(['provision']));
  for (let times = 0; times < 100; times += 1) await engine.announce(instance, 1);
  finish();
  await vi.waitFor(() => expect(instance.rows.row()?.status).toBe('running'), { timeout: 20_000 });
  expect(instance.calls).toEqual(['provision', 'recordStatus']);
});
