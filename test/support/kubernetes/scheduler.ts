import { setTimeout as delay } from 'node:timers/promises';
import { CoreV1Api, KubeConfig, makeInformer, type V1Pod } from '@kubernetes/client-node';

/** Gives every pod that has no gate to the one node, as the scheduler of a cluster would. */
export async function startScheduler(kubeconfig: string, nodeName: string): Promise<() => Promise<void>> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const api = config.makeApiClient(CoreV1Api);
  let isStopped = false;

  async function place({ metadata = {}, spec }: V1Pod): Promise<void> {
    const { name = '', namespace = '' } = metadata;
    const isGated = (spec?.schedulingGates ?? []).length > 0;
    if (isGated || spec?.nodeName !== undefined || metadata.deletionTimestamp !== undefined) return;
    const body = { metadata: { name }, target: { apiVersion: 'v1', kind: 'Node', name: nodeName } };
    // The pod was placed or deleted meanwhile. The library cannot read the answer to a success either.
    await api.createNamespacedBinding({ namespace, body }).catch(() => undefined);
  }

  const informer = makeInformer(config, '/api/v1/pods', () => api.listPodForAllNamespaces());
  informer.on('add', (pod) => void place(pod));
  informer.on('update', (pod) => void place(pod));
  informer.on('error', () => {
    if (!isStopped) void delay(200).then(() => (isStopped ? undefined : informer.start()));
  });
  await informer.start();
  return async () => {
    isStopped = true;
    await informer.stop();
  };
}
