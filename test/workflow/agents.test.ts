import { expect, test, vi } from 'vitest';
import { workUntilCancelled, type FakeInstance } from '../support/fake-instance.ts';
import { neverRestart } from '../support/instance-events.ts';
import { useTimeSkipping } from '../support/time-skipping.ts';

const engine = useTimeSkipping();
const minuteMs = 60_000;
const published = { retired: false, restart: neverRestart };
const retired = { ...published, retired: true };
const agentUnknown = { code: 'agent_unknown', message: 'The agent is not published yet.' };
const agentRetired = { code: 'agent_retired', message: 'The agent was retired.' };

const publish = async (instance: FakeInstance): Promise<void> => {
  instance.definition = published;
  await engine.tell(instance, { type: 'agentPublished' });
};
const drain = async (instance: FakeInstance): Promise<void> => {
  instance.definition = retired;
  await engine.tell(instance, { type: 'agentDrained', message: agentRetired.message, generation: 1 });
};
const untilStatus = (instance: FakeInstance, status: string) =>
  engine.until(() => expect(instance.rows.row()?.status).toBe(status));
const createAwaiting = async (): Promise<FakeInstance> => {
  const instance = engine.create();
  instance.definition = undefined;
  instance.rows.insert();
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.reason).toEqual(agentUnknown));
  return instance;
};

test('an instance of an unknown agent is pending with a reason until the agent is published', async () => {
  const instance = await createAwaiting();
  expect(instance.rows.row()).toMatchObject({ status: 'pending', observedGeneration: 1 });
  await engine.skip(24 * 60 * minuteMs);
  expect(instance.calls).toEqual(['recordStatus']);

  await publish(instance);
  await untilStatus(instance, 'running');
  expect(instance.rows.row()?.reason).toBeUndefined();
  expect(instance.count('provision')).toBe(1);
});

test('a publication while the agent is looked for is not missed', async () => {
  const instance = engine.create();
  instance.definition = undefined;
  instance.before.place = (attempt) => (attempt === 1 ? publish(instance) : undefined);
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'running');
  expect(instance.placings).toBe(2);
  expect(instance.count('provision')).toBe(1);
});

test('a publication before the agent is looked for changes nothing', async () => {
  const instance = engine.create();
  instance.rows.insert();
  await engine.announce(instance);
  await publish(instance);
  await untilStatus(instance, 'running');
  await publish(instance);
  await engine.skip(minuteMs);
  expect(instance.calls).toEqual(['provision', 'recordStatus']);
});

test('an instance whose agent is awaited can be stopped, started and deleted', async () => {
  const instance = await createAwaiting();
  const { rows } = instance;
  rows.desire('stopped');
  await engine.announce(instance);
  await untilStatus(instance, 'stopped');
  rows.desire('running');
  await engine.announce(instance);
  await engine.until(() => expect(rows.row()).toMatchObject({ status: 'pending', reason: agentUnknown }));
  rows.remove();
  await engine.announce(instance);
  await engine.handle(instance).result();
  expect(instance.statuses()).toEqual(['pending', 'stopped', 'pending', 'stopped']);
});

test('an instance of a retired agent fails, and a retry after its publication runs it', async () => {
  const instance = engine.create();
  instance.definition = retired;
  instance.rows.insert();
  await engine.announce(instance);
  await untilStatus(instance, 'failed');
  expect(instance.rows.row()?.reason).toEqual(agentRetired);
  expect(instance.agent).toBeUndefined();

  await publish(instance);
  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await untilStatus(instance, 'running');
});

test('what runs goes on though its agent was retired, also after it was lost or is restarted', async () => {
  const instance = await engine.createRunning({ policy: 'on_failure' });
  instance.definition = { ...retired, restart: { ...neverRestart, policy: 'on_failure' } };
  await engine.tell(instance, instance.endAgent('lost'));
  await engine.until(() => expect([instance.agent?.runtimeId, instance.rows.row()?.status]).toEqual(['runtime-2', 'running'])); // prettier-ignore
  await engine.tell(instance, instance.endAgent('exited'));
  await engine.until(() => expect([instance.agent?.runtimeId, instance.rows.row()?.status]).toEqual(['runtime-3', 'running'])); // prettier-ignore
});

test('a new generation of a retired agent has no right to go on', async () => {
  const instance = await engine.createRunning();
  instance.definition = retired;
  instance.rows.changeConfig();
  await engine.announce(instance);
  await untilStatus(instance, 'failed');
  expect(instance.rows.row()).toMatchObject({ observedGeneration: 2, reason: agentRetired });
  expect(instance.agent).toBeUndefined();
});

test('what failed has lost the right to go on', async () => {
  const instance = await engine.createRunning();
  instance.definition = retired;
  await engine.tell(instance, instance.endAgent('exited'));
  await untilStatus(instance, 'failed');
  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await engine.until(() => expect(instance.rows.row()?.reason).toEqual(agentRetired));
  expect(instance.agent).toBeUndefined();
});

test('a retirement that drains stops what runs and keeps its row', async () => {
  const instance = await engine.createRunning();
  await drain(instance);
  await untilStatus(instance, 'stopped');
  expect(instance.agent).toBeUndefined();
  expect(instance.rows.row()).toMatchObject({ observedGeneration: 1, desiredState: 'running', reason: agentRetired });
  await drain(instance);
  await engine.skip(minuteMs);
  expect(instance.calls).toEqual(['provision', 'recordStatus', 'cleanUp', 'recordStatus']);

  await engine.tell(instance, { type: 'retryRequested', requestId: 'first' });
  await untilStatus(instance, 'failed');
  expect(instance.rows.row()?.reason).toEqual(agentRetired);
  expect(instance.agent).toBeUndefined();
});

test('a retirement that drains cancels the provisioning under way', async () => {
  const instance = engine.create();
  instance.before.provision = async (_, signal) => {
    instance.startAgent(1);
    await workUntilCancelled(signal);
  };
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.agent).toBeDefined());
  await drain(instance);
  await untilStatus(instance, 'stopped');
  expect(instance.agent).toBeUndefined();
  expect(instance.calls).toEqual(['provision', 'cleanUp', 'recordStatus']);
});
