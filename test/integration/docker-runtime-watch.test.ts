import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { DockerSpec } from '../../contracts/runtime-spec.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { createContainerRig, untilGo } from '../support/docker-agents.ts';
import { checkedImage } from '../support/docker-images.ts';
import { collectExits, context } from '../support/process-agents.ts';

let rig: ReturnType<typeof createContainerRig>;
let runtime: Runtime<DockerSpec>;

const patience = { timeout: 20_000 };

describe.skipIf(!inject('docker'))('watching containers', () => {
  beforeEach(() => {
    rig = createContainerRig();
    runtime = rig.openRuntime();
  });
  afterEach(() => rig.dispose());

  test('reports the end of an agent with its exit code and last output, at once', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const request = rig.request({ script: `${untilGo}; echo no fuel; exit 3` });
    const { runtimeId } = await runtime.provision(request, context());
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, { ...patience, interval: 5 });
    const message = 'The agent ended with exit code 3. Its last output: no fuel';
    const { instanceId } = request;
    expect(exits).toEqual([{ instanceId, runtimeId, kind: 'exited', failed: true, message }]);
    const { State: state } = await rig.inspect(instanceId);
    expect(Date.now() - Date.parse(state.FinishedAt)).toBeLessThan(2000);
  });

  test('reports an exit code of 0 as an end that did not fail', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const request = rig.request({ script: untilGo });
    await runtime.provision(request, context());
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits[0]).toMatchObject({ kind: 'exited', failed: false });
  });

  test('reports an end that came while nobody watched, with its exit code, as often as a worker starts', async () => {
    const request = rig.request({ script: `${untilGo}; echo no fuel; exit 3` });
    const { runtimeId } = await runtime.provision(request, context());
    await runtime.close();
    await rig.go(request.instanceId);
    await vi.waitUntil(async () => !(await rig.inspect(request.instanceId)).State.Running, patience);
    for (const worker of [rig.openRuntime(), rig.openRuntime()]) {
      const { exits, report } = collectExits();
      await worker.watch(report);
      await vi.waitUntil(() => exits.length > 0, patience);
      expect(exits).toEqual([expect.objectContaining({ runtimeId, kind: 'exited', failed: true })]);
      expect(exits[0]?.message).toBe('The agent ended with exit code 3. Its last output: no fuel');
      await worker.close();
    }
  });

  test('watches agents that an earlier worker had started', async () => {
    const request = rig.request({ script: `${untilGo}; exit 4` });
    const { runtimeId } = await runtime.provision(request, context());
    await runtime.close();
    const { exits, report } = collectExits();
    await rig.openRuntime().watch(report);
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits).toEqual([expect.objectContaining({ runtimeId, kind: 'exited', failed: true })]);
  });

  test('repeats a report until it is accepted, and then never again', async () => {
    const { exits, calls, report } = collectExits({ refusals: 2 });
    await runtime.watch(report);
    const requests = [1, 2].map(() => rig.request({ script: `${untilGo}; exit 3` }));
    for (const [index, request] of requests.entries()) {
      await runtime.provision(request, context());
      await rig.go(request.instanceId);
      await vi.waitUntil(() => exits.length > index, patience);
    }
    expect(exits.map(({ instanceId }) => instanceId)).toEqual(requests.map(({ instanceId }) => instanceId));
    expect(calls()).toBe(4);
  });

  test('calls a container lost that somebody stops or removes', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const [stopped, removed] = [rig.request(), rig.request()];
    await Promise.all([stopped, removed].map((request) => runtime.provision(request, context())));
    await rig.containerOf(stopped.instanceId).stop({ t: 0 });
    await rig.containerOf(removed.instanceId).remove({ force: true });
    await vi.waitUntil(() => exits.length === 2, patience);
    for (const request of [stopped, removed]) {
      const exit = exits.find(({ instanceId }) => instanceId === request.instanceId);
      expect(exit).toMatchObject({ kind: 'lost', failed: true });
      expect(exit?.message).toContain('The container was stopped through the engine.');
    }
  });

  test('does not report what cleanUp, a replacement or a failed start ended', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const [removed, replaced] = [rig.request(), rig.request()];
    const marker = rig.request({ script: `${untilGo}; exit 4` });
    await Promise.all([removed, replaced, marker].map((request) => runtime.provision(request, context())));
    await runtime.cleanUp(removed.instanceId, context());
    await runtime.provision({ ...replaced, generation: 2 }, context());
    const failing = rig.request({ image: checkedImage, ready: 'healthcheck', script: 'exit 1' });
    await runtime.provision(failing, context()).catch(() => undefined);
    await rig.go(marker.instanceId);
    // The engine tells of ends in their order, so that the marker's comes after those before it.
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits.map(({ instanceId }) => instanceId)).toEqual([marker.instanceId]);
  });
});
