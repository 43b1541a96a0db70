import { expect, test, vi } from 'vitest';
import { blame, workUntilCancelled, type FakeInstance } from '../support/fake-instance.ts';
import { hostIds } from '../support/instance-fleet.ts';
import { useTimeSkipping } from '../support/time-skipping.ts';

const engine = useTimeSkipping();
const hourMs = 60 * 60_000;
const [first, second] = hostIds;
const message = 'It is lost.';

const reasonOf = ({ rows }: FakeInstance) => rows.row()?.reason?.code;
const lose = async (instance: FakeInstance, times = 1): Promise<void> => {
  for (let time = 0; time < times; time += 1) instance.fleet.lose(0);
  await engine.tell(instance, { type: 'hostLost', hostId: first, message });
};

test('an instance on a lost host says so, and goes on untouched when the host is back', async () => {
  const instance = await engine.createRunning();
  const { runtimeId } = instance.agent ?? {};
  await lose(instance);
  await engine.until(() => expect(reasonOf(instance)).toBe('host_lost'));
  await engine.skip(24 * hourMs);
  expect(instance.count('provision')).toBe(1);

  instance.fleet.recover(0);
  await engine.tell(instance, { type: 'hostBack', hostId: first });
  await engine.until(() => expect(instance.rows.row()?.status).toBe('running'));
  expect(instance.agent?.runtimeId).toBe(runtimeId);
  expect(instance.statuses()).toEqual(['running', 'pending', 'running']);
});

test('an instance that cannot run is failed with the reason before it is placed anywhere', async () => {
  const instance = engine.create();
  instance.before.place = () => {
    throw blame('spec_rejected', 'No host may run this agent.', true);
  };
  instance.rows.insert();
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.status).toBe('failed'));
  expect(reasonOf(instance)).toBe('spec_rejected');
  expect(instance.count('provision')).toBe(0);
});

test('a false message that the host is lost is not written down', async () => {
  const instance = await engine.createRunning();
  await engine.tell(instance, { type: 'hostLost', hostId: first, message });
  await engine.tell(instance, { type: 'hostReplaceable', hostId: first });
  await engine.until(async () => expect((await engine.state(instance)).placement).toBeUndefined());
  expect(instance.calls).toEqual(['provision', 'recordStatus']);
});

test('an instance is started on another host only when the lost one may be replaced', async () => {
  const instance = engine.create();
  instance.replaces = true;
  instance.rows.insert();
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.status).toBe('running'));
  await lose(instance);
  await engine.tell(instance, { type: 'hostReplaceable', hostId: first });
  await engine.until(() => expect(reasonOf(instance)).toBe('host_lost'));
  expect(instance.count('provision')).toBe(1);

  instance.fleet.lose(0);
  instance.fleet.lose(0);
  await engine.tell(instance, { type: 'hostReplaceable', hostId: first });
  await engine.until(() => expect(instance.rows.row()?.status).toBe('running'));
  expect(instance.fleet.placement()?.hostId).toBe(second);
  expect(instance.fleet.mostAlive()).toBe(1);

  instance.fleet.recover(0);
  await engine.tell(instance, { type: 'agentFound', hostId: first });
  await engine.until(() => expect(instance.fleet.agentOn(first)).toBeUndefined());
  expect(instance.fleet.agentOn(second)?.alive).toBe(true);
});

test('a host that may be replaced already is left only once the workflow knows that it is lost', async () => {
  const instance = engine.create();
  instance.replaces = true;
  instance.rows.insert();
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.status).toBe('running'));
  for (const _ of ['lost', 'fenced', 'replaceable']) instance.fleet.lose(0);
  instance.rows.changeConfig();
  await engine.announce(instance);
  await engine.until(() => expect(reasonOf(instance)).toBe('host_lost'));
  expect(instance.fleet.placement()?.hostId).toBe(first);
  await engine.tell(instance, { type: 'hostReplaceable', hostId: first });
  await engine.until(() => expect(instance.rows.row()).toMatchObject({ status: 'running', observedGeneration: 2 }));
  expect(instance.fleet.placement()?.hostId).toBe(second);

  instance.fleet.recover(0);
  await engine.tell(instance, { type: 'agentFound', hostId: first });
  await engine.until(() => expect(instance.fleet.agentOn(first)).toBeUndefined());
});

test('provisioning on a host that is lost is cancelled, so that the status can be written', async () => {
  const instance = engine.create();
  instance.before.provision = (_, signal) => workUntilCancelled(signal);
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(async () => expect(await engine.stepsUnderWay(instance)).toEqual(['provision']));
  await lose(instance);
  await engine.until(() => expect(reasonOf(instance)).toBe('host_lost'));
});

test('a clean-up on a host that is lost is cancelled, and done when the host is back', async () => {
  const instance = await engine.createRunning();
  instance.before.cleanUp = (_, signal) => workUntilCancelled(signal);
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await vi.waitFor(async () => expect(await engine.stepsUnderWay(instance)).toEqual(['cleanUp']));
  await lose(instance);
  await engine.until(() => expect(reasonOf(instance)).toBe('host_lost'));

  instance.before = {};
  instance.fleet.recover(0);
  await engine.tell(instance, { type: 'hostBack', hostId: first });
  await engine.until(() => expect(instance.rows.row()?.status).toBe('stopped'));
  expect(instance.agent).toBeUndefined();
});

test('a start and a clean-up wait for the worker of their host: no limit that fails them counts before', async () => {
  const instance = engine.create();
  let finish = (): void => {};
  const slow = new Promise<void>((resolve) => (finish = resolve));
  const untilStepOnHost = (name: string) =>
    vi.waitFor(async () => expect(await engine.stepsUnderWay(instance)).toEqual([name]));
  instance.before.provision = (_, signal) => workUntilCancelled(signal, { orUntil: slow });
  instance.before.cleanUp = instance.before.provision;
  instance.rows.insert();
  await engine.announce(instance);
  await untilStepOnHost('provision');
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await untilStepOnHost('cleanUp');
  finish();
  await engine.until(() => expect(instance.rows.row()?.status).toBe('stopped'));
  const { events } = await engine.handle(instance).fetchHistory();
  // 0 or ten years, depending on the server, where the workflow sets none.
  const isUnlimited = (seconds: number): boolean => seconds === 0 || seconds > 365 * 24 * 3_600;
  const steps = (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: step }) => step ?? []);
  const onHost = steps.filter(({ taskQueue }) => taskQueue?.name === `test/host/${first}`);
  const limits = onHost.map((step) => [
    step.activityType?.name,
    isUnlimited(Number(step.scheduleToCloseTimeout?.seconds ?? 0)),
  ]);
  expect(limits).toEqual([
    ['provision', true],
    ['cleanUp', true],
  ]);
});

test('an instance moves from a host that is drained: it is stopped there before it is started elsewhere', async () => {
  const instance = await engine.createRunning();
  instance.fleet.drain(0, true);
  await engine.tell(instance, { type: 'moveRequested', hostId: first, message: 'It is drained.' });
  await engine.until(() => expect(instance.fleet.agentOn(second)?.alive).toBe(true));
  await engine.until(() => expect(instance.rows.row()?.status).toBe('running'));
  expect(instance.fleet.agentOn(first)).toBeUndefined();
  expect(instance.fleet.mostAlive()).toBe(1);
  expect(instance.calls).toEqual(['provision', 'recordStatus', 'recordStatus', 'cleanUp', 'provision', 'recordStatus']);
});

test('an instance that no host can take is pending with the reason, and runs when one can', async () => {
  const instance = engine.create();
  for (const index of hostIds.keys()) instance.fleet.drain(index, true);
  instance.rows.insert();
  await engine.announce(instance);
  await engine.until(() => expect(reasonOf(instance)).toBe('no_host'));
  await engine.skip(4 * 60_000);
  expect(instance.count('recordStatus')).toBe(1);
  instance.fleet.drain(1, false);
  await engine.until(() => expect(instance.rows.row()?.status).toBe('running'));
  expect(instance.fleet.placement()?.hostId).toBe(second);
});

test('a terminated workflow that is started anew finds the host of its agent', async () => {
  const instance = await engine.createRunning();
  const { runtimeId } = instance.agent ?? {};
  instance.fleet.drain(0, true);
  await engine.terminate(instance);
  await engine.announce(instance, 1);
  await engine.until(async () => expect((await engine.state(instance)).runtime.kind).toBe('running'));
  expect(instance.agent?.runtimeId).toBe(runtimeId);
  expect(instance.fleet.mostAlive()).toBe(1);
});
