import { expect, test, vi } from 'vitest';
import { workUntilCancelled } from '../support/fake-instance.ts';
import { useTimeSkipping } from '../support/time-skipping.ts';
import { instanceStatusAttribute } from '../../workflows/search-attributes.ts';

const engine = useTimeSkipping();

test('an instance runs, stops, runs again and is gone', async () => {
  const instance = await engine.createRunning();
  const { rows } = instance;
  expect(await engine.state(instance)).toMatchObject({
    knownRow: { kind: 'present', generation: 1, desiredState: 'running' },
    runtime: { kind: 'running', generation: 1, runtimeId: 'runtime-1' },
    recorded: { status: 'running', generation: 1 },
    restarts: { count: 0 },
    ranGeneration: 1,
  });

  rows.desire('stopped');
  await engine.announce(instance);
  await engine.until(() => expect(rows.row()?.status).toBe('stopped'));
  expect(instance.agent).toBeUndefined();

  rows.desire('running');
  await engine.announce(instance);
  await engine.until(() => expect(rows.row()?.status).toBe('running'));
  expect(instance.agent).toEqual({ runtimeId: 'runtime-2', generation: 3 });

  rows.remove();
  await engine.announce(instance);
  await engine.handle(instance).result();
  expect(instance.agent).toBeUndefined();
  expect(instance.statuses()).toEqual(['running', 'stopped', 'pending', 'running', 'stopped']);
});

test('an instance at rest does nothing, however long', async () => {
  const instance = await engine.createRunning();
  await engine.skip(30 * 24 * 60 * 60 * 1_000);
  expect(instance.calls).toEqual(['provision', 'recordStatus']);
});

test('a message of a later release is ignored, and the ones after it are not', async () => {
  const instance = await engine.createRunning();
  await engine.handle(instance).signal('instanceMessage', { type: 'promotedToEmperor', hostId: 'elba' });
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.status).toBe('stopped'));
});

test('the status is shown as a search attribute', async () => {
  const instance = await engine.createRunning();
  const shown = async () => (await engine.handle(instance).describe()).typedSearchAttributes.getAll();
  const attributes = async () =>
    Object.fromEntries((await shown()).map(({ key, value }) => [key.name, value] as const));
  expect(await attributes()).toEqual({
    InstanceStatus: 'running',
    AgentId: 'agent',
    UserId: 'user',
  });

  instance.rows.remove();
  await engine.announce(instance);
  await engine.handle(instance).result();
  expect(await attributes()).toMatchObject({ InstanceStatus: 'stopped' });
});

test('a run that finds a status in the row shows it, although it did not write it', async () => {
  const instance = await engine.createRunning();
  instance.rows.desire('stopped');
  const stop = instance.rows.log.length;
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()?.status).toBe('stopped'));
  await engine.terminate(instance);
  await engine.announce(instance, stop);
  await engine.until(async () => {
    const { status, typedSearchAttributes } = await engine.handle(instance).describe();
    const shown = typedSearchAttributes.get(instanceStatusAttribute);
    expect({ status: status.name, shown }).toEqual({ status: 'RUNNING', shown: 'stopped' });
  });
});

test('a deletion cancels the provisioning under way, and what it began is cleaned up', async () => {
  const instance = engine.create();
  instance.before.provision = async (_, signal) => {
    instance.startAgent(1);
    await workUntilCancelled(signal);
  };
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.agent).toBeDefined());

  instance.rows.remove();
  await engine.announce(instance);
  await engine.handle(instance).result();
  expect(instance.calls).toEqual(['provision', 'cleanUp', 'recordFinalStatus']);
  expect(instance.agent).toBeUndefined();
  expect(instance.statuses()).toEqual(['stopped']);
});

test('deleted before created ends at once and provisions nothing', async () => {
  const instance = engine.create();
  instance.rows.insert();
  instance.rows.remove();
  await engine.announce(instance, 2);
  await engine.handle(instance).result();
  // It is placed nowhere, so nothing is left to clean up.
  expect(instance.calls).toEqual(['recordFinalStatus']);
});

test('a created that comes after the end starts a run that finds nothing to do', async () => {
  const instance = engine.create();
  instance.rows.insert();
  instance.rows.remove();
  await engine.announce(instance, 2);
  await engine.handle(instance).result();
  const { length } = instance.rows.log;

  await engine.announce(instance, 1);
  await engine.handle(instance).result();
  expect(engine.runs()).toHaveLength(2);
  expect(instance.agent).toBeUndefined();
  expect(instance.rows.log).toHaveLength(length);
});

test('events that come again and in any order provision once', async () => {
  const instance = engine.create();
  const { rows } = instance;
  rows.insert();
  rows.changeConfig();
  rows.changeConfig();
  await engine.announce(instance, 3, 1, 3, 2, 1, 2, 3);
  await engine.until(() => expect(rows.row()?.status).toBe('running'));
  await engine.announce(instance, 1, 2, 3, 3);
  await engine.skip(60_000);
  expect(instance.calls).toEqual(['provision', 'recordStatus']);
  expect(instance.agent).toEqual({ runtimeId: 'runtime-1', generation: 3 });
});

test('a change of config during provisioning cancels it and provisions the new generation', async () => {
  const instance = engine.create();
  instance.before.provision = (attempt, signal) => (attempt === 1 ? workUntilCancelled(signal) : undefined);
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.calls).toEqual(['provision']));

  instance.rows.changeConfig();
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()).toMatchObject({ status: 'running', observedGeneration: 2 }));
  expect(instance.agent?.generation).toBe(2);
  expect(instance.calls).toEqual(['provision', 'provision', 'recordStatus']);
});

test('a stop during provisioning cancels it, and what it began is cleaned up', async () => {
  const instance = engine.create();
  instance.before.provision = async (_, signal) => {
    instance.startAgent(1);
    await workUntilCancelled(signal);
  };
  instance.rows.insert();
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.agent).toBeDefined());
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()).toMatchObject({ status: 'stopped', observedGeneration: 2 }));
  expect(instance.agent).toBeUndefined();
  expect(instance.calls).toEqual(['provision', 'cleanUp', 'recordStatus']);
});

test('a start that comes while it stops runs it again once it has stopped', async () => {
  const instance = await engine.createRunning();
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  instance.before.cleanUp = (_, signal) => workUntilCancelled(signal, { orUntil: finished });
  instance.rows.desire('stopped');
  await engine.announce(instance);
  await vi.waitFor(() => expect(instance.count('cleanUp')).toBe(1));
  instance.rows.desire('running');
  await engine.announce(instance);
  finish();
  await engine.until(() => expect(instance.rows.row()).toMatchObject({ status: 'running', observedGeneration: 3 }));
  expect(instance.agent).toEqual({ runtimeId: 'runtime-2', generation: 3 });
  // The activity that stops it records `stopped`, unless the workflow hears of the start before.
  const statuses = instance.statuses().filter((status) => status !== 'stopped');
  expect(statuses).toEqual(['running', 'pending', 'running']);
});

test('a row that comes again under its old id is run anew, also where the deletion went missing', async () => {
  const instance = await engine.createRunning();
  instance.rows.remove();
  instance.rows.insert();
  await engine.announce(instance);
  const { generation } = instance.rows.row() ?? {};
  await engine.until(() => expect(instance.rows.row()).toMatchObject({ status: 'running', observedGeneration: generation })); // prettier-ignore
  expect(instance.agent).toEqual({ runtimeId: 'runtime-2', generation });
});

test('a cancel request changes nothing', async () => {
  const instance = await engine.createRunning();
  await engine.handle(instance).cancel();
  await engine.skip(60_000);
  expect(instance.agent).toBeDefined();

  instance.rows.changeConfig();
  await engine.announce(instance);
  await engine.until(() => expect(instance.rows.row()).toMatchObject({ status: 'running', observedGeneration: 2 }));
  expect(engine.runs()).toHaveLength(1);
});
