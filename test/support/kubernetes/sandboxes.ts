import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ApisApi,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  setHeaderOptions,
  type KubernetesObject,
} from '@kubernetes/client-node';
import { parse } from 'yaml';
import { unless } from '../../../runtimes/kubernetes/cluster-error.ts';
import { sandboxGroup } from '../../../runtimes/kubernetes/sandboxes.ts';
import { until } from '../../../stack/until.ts';

/** agent-sandbox for a cluster of the tests' own. */
export interface SandboxFiles {
  /** Its controller. */
  controller: string;
  /** A file with the definition of its resource. */
  definition: string;
}

/** @throws Error saying what to do when the files are not there */
export function findSandboxFiles(toolsDirectory: string): SandboxFiles {
  const folder = join(toolsDirectory, 'agent-sandbox');
  const files = {
    controller: join(folder, 'agent-sandbox-controller'),
    definition: join(folder, 'agents.x-k8s.io_sandboxes.yaml'),
  };
  const missing = Object.values(files).filter((file) => !existsSync(file));
  if (missing.length === 0) return files;
  throw new Error(`put ${missing.join(' and ')} of kubernetes-sigs/agent-sandbox there, or set KUBECONFIG`);
}

interface Definition {
  spec: { conversion?: unknown; versions: { name: string; storage: boolean }[] };
}

/** Installs the resource with its stored version alone, because no webhook converts the others here. */
export async function installDefinition(kubeconfig: string, file: string): Promise<void> {
  const { spec, ...rest } = parse(await readFile(file, 'utf8')) as Definition & KubernetesObject;
  const { conversion: _, versions, ...others } = spec;
  const definition = { ...rest, spec: { ...others, versions: versions.filter(({ storage }) => storage) } };
  await KubernetesObjectApi.makeApiClient(login(kubeconfig)).create(definition);
  if (!(await until(() => hasSandboxes(kubeconfig), 20_000)))
    throw new Error('the API server does not serve Sandboxes');
}

/** Whether agent-sandbox is installed in a cluster. */
export async function hasSandboxes(kubeconfig: string): Promise<boolean> {
  return (await versionOf(login(kubeconfig))) !== undefined;
}

interface Sandbox {
  apiVersion: string;
  metadata: { name: string; uid: string };
  spec: { service?: boolean };
  status?: { serviceFQDN?: string; conditions?: { type: string; status: string; reason: string }[] };
}

/** The Sandboxes of a namespace, with the login of an administrator. There are none without agent-sandbox. */
export function sandboxesOf(admin: KubeConfig, namespace: string) {
  const objects = admin.makeApiClient(CustomObjectsApi);
  const place = async () => {
    const version = (await versionOf(admin)) ?? 'v1beta1';
    return { group: sandboxGroup, version, namespace, plural: 'sandboxes' };
  };
  const read = async (name: string): Promise<Sandbox | undefined> =>
    (await objects.getNamespacedCustomObject({ ...(await place()), name }).catch(unless(404))) as Sandbox | undefined;

  return {
    find: (instanceId: string) => read(`instance-${instanceId}`),

    /** Creates one as somebody else would. */
    async create(name: string, spec: object): Promise<void> {
      const where = await place();
      const body = { apiVersion: `${sandboxGroup}/${where.version}`, kind: 'Sandbox', metadata: { name }, spec };
      await objects.createNamespacedCustomObject({ ...where, body });
    },

    async patch(instanceId: string, body: object): Promise<void> {
      const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
      await objects.patchNamespacedCustomObject({ ...(await place()), name: `instance-${instanceId}`, body }, asMerge);
    },

    /** Removes those with the labels, and all without a selector. */
    async removeAll(labelSelector = ''): Promise<void> {
      const where = await place();
      const found: unknown = await objects.listNamespacedCustomObject({ ...where, labelSelector }).catch(unless(404));
      const { items = [] } = (found ?? {}) as { items?: Sandbox[] };
      for (const { metadata } of items) {
        await objects.deleteNamespacedCustomObject({ ...where, name: metadata.name }).catch(unless(404));
      }
    },
  };
}

async function versionOf(config: KubeConfig): Promise<string | undefined> {
  const { groups } = await config.makeApiClient(ApisApi).getAPIVersions();
  return groups.find(({ name }) => name === sandboxGroup)?.preferredVersion?.version;
}

function login(kubeconfig: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config;
}
