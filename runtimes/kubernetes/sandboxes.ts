import { ApisApi, CustomObjectsApi, type KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { z } from 'zod';
import { unless } from './cluster-error.ts';
import { annotations, labels } from './pod-spec.ts';
import { options } from './request-options.ts';

/** The API of agent-sandbox. Source: https://github.com/kubernetes-sigs/agent-sandbox */
export const sandboxGroup = 'agents.x-k8s.io';

const sandbox = z.object({
  metadata: z.object({
    uid: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), message: z.string().default('') })).default([]) })
    .default({ conditions: [] }),
});

/** The state of a Sandbox at one moment. */
export interface SandboxReading {
  uid: string;
  /** Undefined for a Sandbox that no agents_worker created. */
  instanceId: string | undefined;
  generation: number;
  deleted: boolean;
  /** What its controller says of it; undefined where no controller has seen it. */
  message: string | undefined;
}

/** The requests for Sandboxes. Where agent-sandbox is not installed, there are none of them. */
export function openSandboxes({ access, namespace }: { access: KubeConfig; namespace: string }) {
  const apis = access.makeApiClient(ApisApi);
  const objects = access.makeApiClient(CustomObjectsApi);

  /** The version of the API that the cluster prefers; undefined where agent-sandbox is not installed. It may come and go. */
  const version = async (signal?: AbortSignal): Promise<string | undefined> => {
    const { groups } = await apis.getAPIVersions({}, options({ signal }));
    return groups.find(({ name }) => name === sandboxGroup)?.preferredVersion?.version;
  };
  const place = (preferred: string) => ({ group: sandboxGroup, version: preferred, namespace, plural: 'sandboxes' });

  return {
    version,

    /** Creates the Sandbox of a pod, unless a Sandbox of that name exists. */
    create: async (preferred: string, pod: V1Pod): Promise<void> => {
      const body = { apiVersion: `${sandboxGroup}/${preferred}`, ...sandboxOf(pod) };
      await objects.createNamespacedCustomObject({ ...place(preferred), body }, options()).catch(unless(409));
    },

    inspect: async (name: string, signal?: AbortSignal): Promise<SandboxReading | undefined> => {
      const preferred = await version(signal);
      if (preferred === undefined) return undefined;
      const found: unknown = await objects
        .getNamespacedCustomObject({ ...place(preferred), name }, options({ signal }))
        .catch(unless(404));
      return found === undefined ? undefined : readSandbox(found);
    },

    /** Removes a Sandbox. The cluster then asks for the end of its pod, if that is not done yet. */
    remove: async (name: string, uid: string): Promise<void> => {
      const preferred = await version();
      if (preferred === undefined) return;
      const body = { preconditions: { uid } };
      await objects
        .deleteNamespacedCustomObject({ ...place(preferred), name, body }, options())
        .catch(unless(404, 409));
    },
  };
}

/**
 * The Sandbox that has this pod. Its template holds no finalizers, so that of the pod is set when its gate is opened. A service
 * gives an agent that can be reached a name in the cluster.
 */
function sandboxOf({ metadata = {}, spec }: V1Pod) {
  const { name, labels: own, annotations: notes } = metadata;
  return {
    kind: 'Sandbox',
    metadata: { name, labels: own, annotations: { [annotations.scope]: notes?.[annotations.scope] } },
    spec: {
      podTemplate: { metadata: { labels: own, annotations: notes }, spec },
      service: own?.[labels.network] !== 'none',
    },
  };
}

function readSandbox(found: unknown): SandboxReading {
  const { metadata, status } = sandbox.parse(found);
  return {
    uid: metadata.uid,
    instanceId: metadata.labels[labels.instanceId],
    generation: Number(metadata.labels[labels.generation]),
    deleted: metadata.deletionTimestamp !== undefined,
    message: status.conditions.find(({ type }) => type === 'Ready')?.message,
  };
}
