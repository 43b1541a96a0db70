import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { DockerSpec } from '../../runtimes/docker/spec.ts';
import { RuntimeUnavailable, type Runtime } from '../../runtimes/runtime.ts';
import { createContainerRig, untilGo } from '../support/docker-agents.ts';
import { importTestImages } from '../support/docker-images.ts';
import { ownDockerEngine } from '../support/own-docker-engine.ts';
import { collectExits, context } from '../support/process-agents.ts';

const patience = { timeout: 20_000 };

describe.skipIf(!inject('docker')?.ownEngines)('over a restart of the engine', () => {
  const engine = ownDockerEngine('restart');
  let rig: ReturnType<typeof createContainerRig>;
  let runtime: Runtime<DockerSpec>;

  beforeAll(async () => {
    await engine.remove();
    await engine.start();
    await importTestImages(engine.host);
  });
  afterAll(() => engine.remove());
  beforeEach(() => {
    rig = createContainerRig({ host: engine.host });
    runtime = rig.openRuntime();
  });
  afterEach(() => rig.dispose());

  test('agents that ended with the engine are lost, start again, and the ends that follow are heard', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const graceful = rig.request({ script: `trap 'exit 0' TERM; while :; do sleep 0.05; done` });
    const plain = rig.request();
    const requests = [graceful, plain];
    await Promise.all(requests.map((request) => runtime.provision(request, context())));
    await engine.stop();
    await expect(runtime.provision(graceful, context())).rejects.toThrow(RuntimeUnavailable);
    await engine.start();
    await vi.waitUntil(() => exits.length === 2, patience);
    expect(exits.map(({ kind }) => kind)).toEqual(['lost', 'lost']);
    expect(new Set(exits.map(({ instanceId }) => instanceId))).toEqual(
      new Set(requests.map(({ instanceId }) => instanceId)),
    );
    const next = rig.request({ instanceId: plain.instanceId, script: `${untilGo}; exit 5` });
    const { runtimeId } = await runtime.provision(next, context());
    await rig.go(next.instanceId);
    await vi.waitUntil(() => exits.some((exit) => exit.runtimeId === runtimeId), patience);
    expect(exits.at(-1)).toMatchObject({ kind: 'exited', failed: true });
  });

  test('a worker that starts while the engine is away finds what has ended with it, and watches once it is back', async () => {
    const request = rig.request({ script: `${untilGo}; exit 5` });
    const { runtimeId } = await runtime.provision(request, context());
    await runtime.close();
    await engine.stop();
    const { exits, report } = collectExits();
    const next = rig.openRuntime();
    await next.watch(report);
    await engine.start();
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits).toEqual([expect.objectContaining({ runtimeId, kind: 'lost' })]);
    expect(exits[0]?.message).toContain('after a time in which nobody watched it');
    const again = await next.provision(request, context());
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 1, patience);
    expect(exits[1]).toMatchObject({ runtimeId: again.runtimeId, kind: 'exited' });
  });
});
