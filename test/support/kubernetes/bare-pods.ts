import type { V1PodStatus } from '@kubernetes/client-node';
import { setHeaderOptions, PatchStrategy } from '@kubernetes/client-node';
import type { TestNamespace } from './namespace.ts';

/** Plays the scheduler, the kubelet and the controllers for pods of an API server that has none of them. */
export function playNode({ api, name: namespace }: TestNamespace, node = 'node-of-nobody') {
  const asMerge = () => setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  const nameOf = (instanceId: string): string => `instance-${instanceId}`;

  const setStatus = async (instanceId: string, status: V1PodStatus): Promise<void> => {
    await api.patchNamespacedPodStatus({ name: nameOf(instanceId), namespace, body: { status } }, asMerge());
  };
  const statusOf = (state: object, ready: boolean) => [
    { name: 'agent', image: 'agent:1', imageID: 'agent:1', restartCount: 0, ready, state },
  ];

  return {
    /** Places the pod and tells that its container runs. False where there is nothing to place. */
    async run(instanceId: string): Promise<boolean> {
      const pod = await api.readNamespacedPod({ name: nameOf(instanceId), namespace }).catch(() => undefined);
      if (!pod || pod.spec?.schedulingGates?.length) return false;
      const target = { apiVersion: 'v1', kind: 'Node', name: node };
      const body = { metadata: { name: nameOf(instanceId) }, target };
      await api.createNamespacedBinding({ namespace, body }).catch(() => undefined);
      await setStatus(instanceId, {
        phase: 'Running',
        containerStatuses: statusOf({ running: { startedAt: new Date() } }, true),
      });
      return true;
    },

    /** Tells that the container has ended. */
    async end(instanceId: string, exitCode: number): Promise<void> {
      const terminated = { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', finishedAt: new Date() };
      const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
      await setStatus(instanceId, { phase, containerStatuses: statusOf({ terminated }, false) });
    },

    /** What the pod garbage collector does to the pods of a node that is gone. Source: pkg/controller/podgc/gc_controller.go */
    async collect(instanceId: string): Promise<void> {
      const message = 'PodGC: node no longer exists';
      const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message };
      await setStatus(instanceId, { phase: 'Failed', conditions: [condition] });
      await api.deleteNamespacedPod({ name: nameOf(instanceId), namespace, gracePeriodSeconds: 0 });
    },

    /** Asks for the end as `kubectl delete pod` does. No node confirms it. */
    async delete(instanceId: string): Promise<void> {
      await api.deleteNamespacedPod({ name: nameOf(instanceId), namespace });
    },
  };
}
