import { expect, inject, test, vi } from 'vitest';
import { messagesOf, useCountingBundle } from '../support/counting-bundle.ts';
import { openDevServer, useEngine } from '../support/engine.ts';
import { workUntilCancelled, type FakeInstance } from '../support/fake-instance.ts';

/** Far fewer messages than Temporal and a run take by default, so that a flood is over in a moment. */
const limit = 60;
const most = { file: 'instance-workflow.ts', from: 'mostMessages = 2_000', to: 'mostMessages = 15' };
const flood = 80;
const atOnce = 5;

const engine = useEngine({
  program: inject('temporalPrograms').dev,
  open: openDevServer(`history.maximumSignalsPerExecution=${limit}`, 'history.maximumBufferedEventsBatch=2000'),
  bundle: useCountingBundle(most),
});

/** Repeats the row's first event, which is nothing new, as fast as Temporal takes it. */
async function sendFlood(instance: FakeInstance): Promise<void> {
  let sent = 0;
  const send = async (): Promise<void> => {
    for (; sent < flood; await engine.announce(instance, 1)) sent += 1;
  };
  await Promise.all(Array.from({ length: atOnce }, send));
}

/** Every message was taken from the inbox, by whichever run. */
const untilHeard = (instance: FakeInstance, count: number) =>
  vi.waitFor(async () => expect(messagesOf(await engine.state(instance))).toBe(count));

/** An activity that ends when it is told to. */
function openWork() {
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  return {
    work: (_: number, signal: AbortSignal) => workUntilCancelled(signal, { orUntil: finished }),
    finish: () => finish(),
  };
}

test('a flood of signals while the agent runs is accepted as a whole, and changes nothing', async () => {
  const instance = await engine.createRunning();
  const calls = [...instance.calls];
  await sendFlood(instance);
  await untilHeard(instance, 1 + flood);
  expect(instance.calls).toEqual(calls);
});

test('a flood of signals while the agent is provisioned is accepted as a whole, and the agent runs in the end', async () => {
  const instance = engine.create();
  const { work, finish } = openWork();
  instance.before.provision = work;
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('provision')).toBe(1));
  await sendFlood(instance);
  finish();
  await vi.waitFor(() => expect(instance.rows.row()?.status).toBe('running'));
  expect(instance.statuses()).toEqual(['running']);
  await untilHeard(instance, 1 + flood);
});

test('a flood of signals while the agent is cleaned up is accepted as a whole, and nothing is left in the end', async () => {
  const instance = await engine.createRunning();
  const { work, finish } = openWork();
  instance.before.cleanUp = work;
  instance.rows.remove();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('cleanUp')).toBe(1));
  await sendFlood(instance);
  finish();
  await engine.handle(instance).result();
  expect(instance.agent).toBeUndefined();
  await untilHeard(instance, 2 + flood);
});

test('a flood of signals while the row cannot be written is accepted as a whole', async () => {
  const instance = await engine.createRunning();
  instance.before.recordStatus = () => {
    throw new Error('the database is away');
  };
  instance.rows.changeConfig();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('recordStatus')).toBeGreaterThan(1));
  await sendFlood(instance);
  instance.before = {};
  await vi.waitFor(() => expect(instance.rows.row()).toMatchObject({ status: 'running', observedGeneration: 2 }));
  await untilHeard(instance, 2 + flood);
});

test('a flood of signals while the row cannot be read is accepted as a whole', async () => {
  const instance = await engine.createRunning();
  const readState = vi.spyOn(instance.rows, 'readState').mockImplementation(() => {
    throw new Error('the database is away');
  });
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await vi.waitFor(() => expect(readState).toHaveBeenCalled());
  await sendFlood(instance);
  readState.mockRestore();
  await vi.waitFor(() => expect(instance.rows.row()?.status).toBe('stopped'));
  await untilHeard(instance, 2 + flood);
});
