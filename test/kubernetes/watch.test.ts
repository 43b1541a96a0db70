import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { RuntimeUnavailable, type ProvisionRequest, type Runtime } from '../../runtimes/runtime.ts';
import type { KubernetesSpec } from '../../runtimes/kubernetes/spec.ts';
import { playNode } from '../support/kubernetes/bare-pods.ts';
import { openNamespace, type TestNamespace } from '../support/kubernetes/namespace.ts';
import { ownCluster, type OwnCluster } from '../support/kubernetes/own-cluster.ts';
import { createPodRig } from '../support/kubernetes/pods.ts';
import { collectExits, context } from '../support/process-agents.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import { useOpened } from '../support/use-opened.ts';

const patience = { timeout: 40_000 };

// One at a time: they stop the API server.
describe.skipIf(!inject('kubernetes')?.programs)('an API server that comes and goes', () => {
  const opened: { cluster: OwnCluster; namespace: TestNamespace } = useOpened(
    async () => {
      const programs = inject('kubernetes')?.programs;
      if (!programs) throw new Error('there are no programs');
      const cluster = ownCluster('watch', programs);
      await cluster.remove();
      await cluster.start();
      return { cluster, namespace: await openNamespace(cluster.kubeconfig) };
    },
    ({ cluster }) => cluster.remove(),
  );

  async function openRig() {
    const { cluster, namespace } = opened;
    const proxy = await openTcpProxy(cluster.address());
    const rig = createPodRig(namespace);
    onTestFinished(async () => {
      await rig.dispose();
      await proxy.cut();
    });
    const kubeconfig = await namespace.kubeconfigAt(`https://${proxy.address}`);
    const node = playNode(namespace);
    /** Provisions while the test plays the node. */
    const provision = async (runtime: Runtime<KubernetesSpec>, request: ProvisionRequest<KubernetesSpec>) => {
      const provisioning = runtime.provision(request, context());
      await vi.waitUntil(() => node.run(request.instanceId), patience);
      return provisioning;
    };
    return {
      ...rig,
      cluster,
      namespace,
      proxy,
      node,
      provision,
      openProxied: () => rig.openRuntime({ kubeconfig, confirmMs: 1_000 }),
    };
  }

  test('a watch that was cut off goes on where it was, and misses no end', async () => {
    const rig = await openRig();
    const runtime = rig.openProxied();
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const [ended, deleted, after] = [rig.request(), rig.request(), rig.request()];
    for (const request of [ended, deleted, after]) await rig.provision(runtime, request);
    await rig.proxy.cut();
    await rig.node.end(ended.instanceId, 3);
    await rig.node.collect(deleted.instanceId);
    await delay(500);
    expect(exits).toEqual([]);
    await rig.proxy.restore();
    await vi.waitUntil(() => exits.length === 2, patience);
    await rig.node.end(after.instanceId, 0);
    await vi.waitUntil(() => exits.length === 3, patience);
    const kinds = Object.fromEntries(exits.map(({ instanceId, kind, failed }) => [instanceId, { kind, failed }]));
    expect(kinds).toEqual({
      [ended.instanceId]: { kind: 'exited', failed: true },
      [deleted.instanceId]: { kind: 'lost', failed: true },
      [after.instanceId]: { kind: 'exited', failed: false },
    });
  });

  test('an API server that has forgotten the version of the watch is asked for everything again', async () => {
    const rig = await openRig();
    const runtime = rig.openProxied();
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const [ended, removed] = [rig.request(), rig.request()];
    for (const request of [ended, removed]) await rig.provision(runtime, request);
    await rig.proxy.cut();
    await rig.node.end(ended.instanceId, 3);
    await rig.namespace.removePod(`instance-${removed.instanceId}`);
    // Its next start knows no version before it, so a watch from the old one is answered with 410.
    await rig.cluster.stopApi();
    await rig.cluster.startApi();
    await rig.proxy.restore();
    await vi.waitUntil(() => exits.length === 2, patience);
    expect(exits).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ instanceId: ended.instanceId, kind: 'exited', failed: true }),
        expect.objectContaining({ instanceId: removed.instanceId, kind: 'lost', failed: true }),
      ]),
    );
    expect(rig.logged()).toContain('has forgotten the version of the watch');
  });

  test('an API server that is away is a reason to try again, which names its address', async () => {
    const rig = await openRig();
    const runtime = rig.openProxied();
    const { exits, report } = collectExits();
    const request = rig.request();
    const running = await rig.provision(runtime, request);
    await rig.proxy.cut();
    // Resolves although nobody answers.
    await runtime.watch(report);
    for (const call of [
      () => runtime.provision(rig.request(), context()),
      () => runtime.cleanUp(randomUUID(), context()),
      () => runtime.list(),
      () => runtime.identify(),
    ]) {
      const error = await call().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(RuntimeUnavailable);
      expect(String(error)).toContain(`https://${rig.proxy.address} does not answer: `);
    }
    await rig.proxy.restore();
    expect(await runtime.provision(request, context())).toEqual(running);
    await rig.node.end(request.instanceId, 5);
    await vi.waitUntil(() => exits.length === 1, patience);
    expect(exits[0]).toMatchObject({ runtimeId: running.runtimeId, kind: 'exited' });
  });

  test('an agent whose node is gone is lost, once and for every later worker, and starts anew', async () => {
    const rig = await openRig();
    const runtime = rig.openProxied();
    const request = rig.request();
    const first = await rig.provision(runtime, request);
    await runtime.close();
    await rig.node.collect(request.instanceId);
    for (const worker of [rig.openProxied(), rig.openProxied()]) {
      const { exits, report } = collectExits();
      await worker.watch(report);
      await vi.waitUntil(() => exits.length === 1, patience);
      expect(exits[0]).toMatchObject({ runtimeId: first.runtimeId, kind: 'lost', failed: true });
      expect(exits[0]?.message).toMatch(/DeletionByPodGC: PodGC: node no longer exists/);
      await worker.close();
    }
    const worker = rig.openProxied();
    const provisioning = worker.provision(request, context());
    await vi.waitUntil(async () => (await rig.find(request.instanceId))?.metadata?.uid !== first.runtimeId, patience);
    await vi.waitUntil(() => rig.node.run(request.instanceId), patience);
    expect((await provisioning).runtimeId).not.toBe(first.runtimeId);
  });

  test('an agent whose node does not answer may still run, so that nothing takes its place', async () => {
    const rig = await openRig();
    const runtime = rig.openProxied();
    const request = rig.request();
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const first = await rig.provision(runtime, request);
    await rig.node.delete(request.instanceId);
    const error = await runtime.provision({ ...request, generation: 2 }, context()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect(String(error)).toMatch(/node-of-nobody does not confirm .* kubectl delete node node-of-nobody/);
    expect(await rig.find(request.instanceId)).toMatchObject({ metadata: { uid: first.runtimeId } });
    expect(exits).toEqual([]);
    await rig.node.collect(request.instanceId);
    await runtime.cleanUp(request.instanceId, context());
    expect(await rig.find(request.instanceId)).toBeUndefined();
    expect(await rig.secretOf(request.instanceId)).toBeUndefined();
  });

  test('a pod that finds no node is a reason to try again, with the words of the scheduler, and leaves nothing', async () => {
    const rig = await openRig();
    const runtime = rig.openRuntime({ placeMs: 1_000 });
    const request = rig.request();
    const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect(String(error)).toMatch(/did not start within 1 s: no node was found for it/);
    expect(await rig.find(request.instanceId)).toBeUndefined();
    expect(await rig.secretOf(request.instanceId)).toBeUndefined();
  });

  test('a quota that is used up is a reason to try again', async () => {
    const rig = await openRig();
    const quota = {
      metadata: { name: 'none' },
      spec: { hard: { pods: '0' } },
      status: { hard: { pods: '0' }, used: { pods: '0' } },
    };
    await rig.namespace.api.createNamespacedResourceQuota({ namespace: rig.namespace.name, body: quota });
    onTestFinished(async () => {
      await rig.namespace.api.deleteNamespacedResourceQuota({ namespace: rig.namespace.name, name: 'none' });
    });
    await rig.namespace.api.replaceNamespacedResourceQuotaStatus({
      namespace: rig.namespace.name,
      name: 'none',
      body: quota,
    });
    const error = await vi.waitUntil(
      () =>
        rig
          .openRuntime({ placeMs: 100 })
          .provision(rig.request(), context())
          .catch((thrown: unknown) => (String(thrown).includes('quota') ? thrown : undefined)),
      patience,
    );
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect(String(error)).toContain(`The quota of the namespace ${rig.namespace.name} is used up`);
  });

  test('a Secret that an earlier pod has left is replaced, and nothing of the new pod runs before it is', async () => {
    const rig = await openRig();
    const runtime = rig.openProxied();
    const request = rig.request({ config: { round: 2 } });
    const name = `instance-${request.instanceId}`;
    const body = {
      metadata: { name, annotations: { 'instance-engine/pod-uid': 'earlier' } },
      stringData: { old: 'x' },
    };
    await rig.namespace.api.createNamespacedSecret({ namespace: rig.namespace.name, body });
    const beforeStart = vi.fn<() => Promise<void>>(async () => {
      expect(await rig.node.run(request.instanceId)).toBe(false);
    });
    const provisioning = runtime.provision(request, { ...context(), beforeStart });
    await vi.waitUntil(() => rig.node.run(request.instanceId), patience);
    await provisioning;
    expect(beforeStart).toHaveBeenCalledTimes(1);
    const { data = {} } = (await rig.secretOf(request.instanceId)) ?? {};
    expect(Buffer.from(data['config.json'] ?? '', 'base64').toString()).toBe('{"round":2}');
  });

  test('a pod of somebody else under the name is left alone, and the error says what to do', async () => {
    const rig = await openRig();
    const runtime = rig.openProxied();
    const request = rig.request();
    const name = `instance-${request.instanceId}`;
    const closed = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true };
    const spec = {
      automountServiceAccountToken: false,
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{ name: 'other', image: 'other:1', securityContext: closed }],
    };
    await rig.namespace.api.createNamespacedPod({ namespace: rig.namespace.name, body: { metadata: { name }, spec } });
    const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
    await runtime.cleanUp(request.instanceId, context());
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect(String(error)).toContain(`kubectl delete pod ${name} -n ${rig.namespace.name}`);
    expect(await rig.find(request.instanceId)).toBeDefined();
    await rig.namespace.removePod(name);
  });
});
