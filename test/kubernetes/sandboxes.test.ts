import { randomUUID } from 'node:crypto';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { annotations, finalizer, labels, podOf, schedulingGate } from '../../runtimes/kubernetes/pod-spec.ts';
import { RuntimeUnavailable, SpecRejected } from '../../runtimes/runtime.ts';
import { openNamespace, untilPod, type TestNamespace } from '../support/kubernetes/namespace.ts';
import { ownCluster, type OwnCluster } from '../support/kubernetes/own-cluster.ts';
import { createPodRig } from '../support/kubernetes/pods.ts';
import { installDefinition } from '../support/kubernetes/sandboxes.ts';
import { collectExits, context } from '../support/process-agents.ts';
import { useOpened } from '../support/use-opened.ts';

const patience = { timeout: 40_000 };

describe.skipIf(!inject('kubernetes')?.hasSandboxes)('Sandboxes', { concurrent: true }, () => {
  const namespace: TestNamespace = useOpened(
    () => openNamespace(inject('kubernetes')?.kubeconfig ?? ''),
    (opened) => opened.close(),
  );
  const podTest = test
    .extend('rig', ({ onTestFinished: onFinished }) => {
      const rig = createPodRig(namespace, 'auto');
      onFinished(() => rig.dispose());
      return rig;
    })
    .extend('runtime', ({ rig }) => rig.openRuntime());
  const conditionOf = async (instanceId: string, type: string) =>
    (await namespace.sandboxes.find(instanceId))?.status?.conditions?.find((condition) => condition.type === type);

  podTest('an agent that can be reached is a Sandbox with a name in the cluster', async ({ rig, runtime }) => {
    const request = rig.request({ network: 'cluster' });
    const { instanceId } = request;
    const { runtimeId } = await runtime.provision(request, context());
    const sandbox = await namespace.sandboxes.find(instanceId);
    const { metadata } = (await rig.find(instanceId)) ?? {};
    expect(metadata).toMatchObject({
      uid: runtimeId,
      finalizers: [finalizer],
      ownerReferences: [{ kind: 'Sandbox', uid: sandbox?.metadata.uid, controller: true }],
      labels: { [labels.instanceId]: instanceId, [labels.network]: 'cluster' },
    });
    await vi.waitUntil(async () => (await conditionOf(instanceId, 'Ready'))?.status === 'True', patience);
    const name = `instance-${instanceId}`;
    expect((await namespace.sandboxes.find(instanceId))?.status?.serviceFQDN).toBe(
      `${name}.${namespace.name}.svc.cluster.local`,
    );
    const service = await namespace.api.readNamespacedService({ name, namespace: namespace.name });
    expect(service.spec?.clusterIP).toBe('None');
  });

  podTest('an agent that ended stays ended, and is not started by the controller', async ({ rig, runtime }) => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const request = rig.request({ script: 'while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 3' });
    const { instanceId } = request;
    const { runtimeId } = await runtime.provision(request, context());
    await rig.go(instanceId);
    await vi.waitUntil(() => exits.length > 0, patience);
    await vi.waitUntil(async () => (await conditionOf(instanceId, 'Finished'))?.reason === 'PodFailed', patience);
    expect((await rig.find(instanceId))?.metadata?.uid).toBe(runtimeId);
    const again = await runtime.provision(request, context());
    expect(again.runtimeId).not.toBe(runtimeId);
    expect(exits).toEqual([expect.objectContaining({ instanceId, runtimeId, kind: 'exited' })]);
  });

  podTest(
    'a pod that is forced away is lost, and the one that the controller creates waits for its start',
    async ({ rig, runtime }) => {
      const { exits, report } = collectExits();
      await runtime.watch(report);
      const request = rig.request();
      const { instanceId } = request;
      const first = await runtime.provision(request, context());
      await namespace.removePod(`instance-${instanceId}`);
      const created = await untilPod(
        () => rig.find(instanceId),
        (pod) => pod !== undefined && pod.metadata?.uid !== first.runtimeId,
      );
      await vi.waitUntil(() => exits.length > 0, patience);
      expect(exits).toEqual([expect.objectContaining({ instanceId, runtimeId: first.runtimeId, kind: 'lost' })]);
      expect(created?.spec?.schedulingGates).toEqual([{ name: schedulingGate }]);
      expect(await runtime.describe(instanceId)).toMatchObject({ phase: 'starting' });
      const beforeStart = vi.fn<() => Promise<void>>(() => Promise.resolve());
      const second = await runtime.provision(request, { ...context(), beforeStart });
      expect(second.runtimeId).toBe(created?.metadata?.uid);
      expect(beforeStart).toHaveBeenCalledTimes(1);
      expect((await rig.find(instanceId))?.metadata?.finalizers).toEqual([finalizer]);
      expect(await rig.secretOf(instanceId)).toMatchObject({
        metadata: { annotations: { [annotations.podUid]: second.runtimeId } },
      });
    },
  );

  podTest('a Sandbox that somebody suspends is lost, and runs again with the next start', async ({ rig, runtime }) => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const request = rig.request();
    const { instanceId } = request;
    const { runtimeId } = await runtime.provision(request, context());
    await namespace.sandboxes.patch(instanceId, { spec: { operatingMode: 'Suspended' } });
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits).toEqual([expect.objectContaining({ instanceId, runtimeId, kind: 'lost' })]);
    expect(exits[0]?.message).toContain('its Sandbox was suspended');
    const again = await runtime.provision(request, context());
    expect(await runtime.describe(instanceId)).toMatchObject({ ...again, phase: 'running' });
  });

  podTest('what the cluster refuses is rejected for good, and leaves no Sandbox', async ({ rig, runtime }) => {
    const { instanceId } = rig.request();
    const wrong = [
      { spec: { user: '0' }, message: /refuses the pod.*PodSecurity/ },
      { spec: { environment: { ü: '1' } }, message: /refuses the pod.*environment/i },
    ];
    for (const { spec, message } of wrong) {
      const attempt = runtime.provision(rig.request({ ...spec, instanceId }), context());
      const error = await attempt.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(SpecRejected);
      expect(String(error)).toMatch(message);
      expect(await namespace.sandboxes.find(instanceId)).toBeUndefined();
    }
    await runtime.provision(rig.request({ instanceId }), context());
  });

  podTest('clean-up leaves no Sandbox, no pod and no Secret', async ({ rig, runtime }) => {
    const request = rig.request();
    const { instanceId } = request;
    await runtime.provision(request, context());
    await runtime.cleanUp(instanceId, context());
    expect(await namespace.sandboxes.find(instanceId)).toBeUndefined();
    expect([await rig.find(instanceId), await rig.secretOf(instanceId)]).toEqual([undefined, undefined]);
  });
});

describe.skipIf(!inject('kubernetes')?.sandboxFiles || !inject('kubernetes')?.programs)(
  'Sandboxes without their controller',
  { concurrent: true },
  () => {
    const opened: { cluster: OwnCluster; namespace: TestNamespace } = useOpened(
      async () => {
        const { programs, sandboxFiles } = inject('kubernetes') ?? {};
        if (!programs || !sandboxFiles) throw new Error('there are no programs');
        const cluster = ownCluster('sandboxes', programs);
        await cluster.remove();
        await cluster.start();
        await installDefinition(cluster.kubeconfig, sandboxFiles.definition);
        return { cluster, namespace: await openNamespace(cluster.kubeconfig) };
      },
      ({ cluster }) => cluster.remove(),
    );
    const openRig = () => {
      const rig = createPodRig(opened.namespace, 'auto');
      onTestFinished(() => rig.dispose());
      return rig;
    };

    test('are a reason to try again that names the controller, and leave nothing', async () => {
      const rig = openRig();
      const { sandboxes } = opened.namespace;
      const runtime = rig.openRuntime({ confirmMs: 2_000 });
      const request = rig.request({ generation: 4 });
      const { instanceId } = request;
      const provisioning = runtime.provision(request, context()).catch((thrown: unknown) => thrown);
      await vi.waitUntil(() => sandboxes.find(instanceId), patience);
      expect(await runtime.describe(instanceId)).toEqual({ phase: 'starting', generation: 4 });
      const error = await provisioning;
      expect(error).toBeInstanceOf(RuntimeUnavailable);
      expect(String(error)).toMatch(/controller of agent-sandbox created no pod .* KUBERNETES_SANDBOXES=never/);
      expect(await sandboxes.find(instanceId)).toBeUndefined();
    });

    test('are cleaned up, also while their pods are not there', async () => {
      const rig = openRig();
      const { sandboxes } = opened.namespace;
      const request = rig.request();
      const { instanceId } = request;
      const aborted = new AbortController();
      const provisioning = rig.openRuntime().provision(request, { ...context(), signal: aborted.signal });
      const failure = provisioning.catch((thrown: unknown) => thrown);
      await vi.waitUntil(() => sandboxes.find(instanceId), patience);
      aborted.abort();
      expect(await failure).toBe(aborted.signal.reason);
      await rig.openRuntime().cleanUp(instanceId, context());
      expect(await sandboxes.find(instanceId)).toBeUndefined();
    });

    test('of somebody else are left alone, and the error says what to do', async () => {
      const rig = openRig();
      const { sandboxes, name: namespace } = opened.namespace;
      const request = rig.request();
      const { instanceId } = request;
      const name = `instance-${instanceId}`;
      await sandboxes.create(name, { podTemplate: { spec: { containers: [{ name: 'other', image: 'other:1' }] } } });
      const error = await rig
        .openRuntime()
        .provision(request, context())
        .catch((thrown: unknown) => thrown);
      await rig.openRuntime().cleanUp(instanceId, context());
      expect(error).toBeInstanceOf(RuntimeUnavailable);
      expect(String(error)).toContain(`kubectl delete sandbox ${name} -n ${namespace}`);
      expect(await sandboxes.find(instanceId)).toBeDefined();
    });

    test('that are gone may leave a pod at its gate, which no start takes over', async () => {
      const rig = openRig();
      const { api, name: namespace } = opened.namespace;
      const request = rig.request();
      const pod = podOf({ request, scope: 'left over' });
      const name = pod.metadata?.name ?? '';
      const owner = {
        apiVersion: 'agents.x-k8s.io/v1beta1',
        kind: 'Sandbox',
        name,
        uid: randomUUID(),
        controller: true,
      };
      pod.metadata = { name, labels: pod.metadata?.labels ?? {}, ownerReferences: [owner] };
      await api.createNamespacedPod({ namespace, body: pod });
      const beforeStart = vi.fn<() => Promise<void>>(() => Promise.resolve());
      const runtime = rig.openRuntime({ confirmMs: 2_000 });
      const error = await runtime.provision(request, { ...context(), beforeStart }).catch((thrown: unknown) => thrown);
      expect(String(error)).toMatch(/controller of agent-sandbox created no pod/);
      expect(beforeStart).not.toHaveBeenCalled();
      expect(await rig.find(request.instanceId)).toBeUndefined();
    });
  },
);
