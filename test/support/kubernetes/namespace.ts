import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  setHeaderOptions,
  type KubernetesObject,
} from '@kubernetes/client-node';
import { vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { unless } from '../../../runtimes/kubernetes/cluster-error.ts';
import { sandboxesOf } from './sandboxes.ts';

const manifest = fileURLToPath(new URL('../../../runtimes/kubernetes/manifests/agents.yaml', import.meta.url));
const nameInManifest = 'instance-engine-agents';

export type TestNamespace = Awaited<ReturnType<typeof openNamespace>>;

/** The manifest in a namespace of a test's own, and a kubeconfig file of the account that it gives to agents_worker. */
export async function openNamespace(
  adminKubeconfig: string,
  name: string = `instance-engine-test-${randomUUID().slice(0, 8)}`,
) {
  const folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  const kubeconfig = join(folder, 'agents-worker.kubeconfig');
  const admin = new KubeConfig();
  admin.loadFromFile(adminKubeconfig);
  const api = admin.makeApiClient(CoreV1Api);

  const objects = KubernetesObjectApi.makeApiClient(admin);
  const text = (await readFile(manifest, 'utf8')).replaceAll(nameInManifest, name);
  for (const document of parseAllDocuments(text)) await objects.create(document.toJS() as KubernetesObject);
  // A cluster without controllers has none, and pods need it although they get no token of it.
  await api
    .createNamespacedServiceAccount({ namespace: name, body: { metadata: { name: 'default' } } })
    .catch(unless(409));
  const tokenRequest = { name: 'agents-worker', namespace: name, body: { spec: { audiences: [] } } };
  const { status } = await api.createNamespacedServiceAccountToken(tokenRequest);
  await writeFile(kubeconfig, kubeconfigOf(admin, status?.token ?? ''), { mode: 0o600 });

  const sandboxes = sandboxesOf(admin, name);

  return {
    name,
    sandboxes,
    /** Of the account that the manifest gives to agents_worker. */
    kubeconfig,
    /** Of an administrator. */
    admin,
    api,

    /** The same account over another address, such as that of a proxy. */
    async kubeconfigAt(server: string): Promise<string> {
      const file = join(folder, `${randomUUID()}.kubeconfig`);
      await writeFile(file, kubeconfigOf(admin, status?.token ?? '', server), { mode: 0o600 });
      return file;
    },

    /** Removes a pod at once, whatever keeps it. */
    async removePod(pod: string): Promise<void> {
      const body = { metadata: { finalizers: null } };
      const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
      await api.deleteNamespacedPod({ name: pod, namespace: name, gracePeriodSeconds: 0 }).catch(unless(404));
      await api.patchNamespacedPod({ name: pod, namespace: name, body }, asMerge).catch(unless(404));
    },

    async close(): Promise<void> {
      // First, because their controller would create their pods again.
      await sandboxes.removeAll();
      const { items } = await api.listNamespacedPod({ namespace: name });
      for (const { metadata } of items) await this.removePod(metadata?.name ?? '');
      await api.deleteNamespace({ name }).catch(unless(404, 409));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function kubeconfigOf(admin: KubeConfig, token: string, server?: string): string {
  const cluster = admin.getCurrentCluster();
  if (!cluster) throw new Error('the kubeconfig names no cluster');
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ ...cluster, ...(server !== undefined && { server }) }, { name: 'worker', token });
  return config.exportConfig();
}

/** Resolves once the pod is as it should be. */
export async function untilPod<T>(read: () => Promise<T>, isSo: (pod: T) => boolean): Promise<T> {
  let last: T | undefined;
  await vi.waitUntil(
    async () => {
      last = await read();
      return isSo(last);
    },
    { timeout: 40_000, interval: 50 },
  );
  return last as T;
}
