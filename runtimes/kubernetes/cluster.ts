import { existsSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { CoreV1Api, KubeConfig, PatchStrategy, type V1Pod, type V1Secret } from '@kubernetes/client-node';
import { z } from 'zod';
import { lastLines } from '../last-output.ts';
import { secretsOf, type Secret } from '../secrets.ts';
import { reasonOf, unless, WatchFailed } from './cluster-error.ts';
import { configKey, containerName, variableOfKey } from './pod-spec.ts';
import { readPodLog } from './pod-log.ts';
import { readPod, type PodReading } from './pod-reading.ts';
import { answerMs, options } from './request-options.ts';
import { openSandboxes } from './sandboxes.ts';

export type Cluster = ReturnType<typeof openCluster>;

export interface ClusterAddress {
  namespace: string;
  /** A kubeconfig file. Left out: the service account of the pod in which this process runs. */
  kubeconfig?: string | undefined;
}

/** The API server asks the node for the log, which may be away. */
const logMs = 5_000;
/** Kubernetes puts it into every pod that has a service account. */
const accountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';
/** The time after which the API server ends a watch. It is short, because a half-open connection raises no error. */
const watchSeconds = 50;
const outputTailLines = 5;

const watchEvent = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']), object: z.custom<V1Pod>() }),
  z.object({ type: z.literal('ERROR'), object: z.object({ code: z.number().optional(), message: z.string() }) }),
]);
/** A change of a pod; undefined in a bookmark, which only tells the version that the watch has reached. */
export interface PodChange {
  version: string;
  pod?: PodReading;
  removed: boolean;
}

/** The requests that the runtime sends. Those without a signal are short and must not be aborted halfway. */
export function openCluster({ namespace, kubeconfig }: ClusterAddress) {
  const access = loadAccess(kubeconfig);
  const server = access.getCurrentCluster()?.server ?? '';
  const api = access.makeApiClient(CoreV1Api);

  const patchPod = async (name: string, uid: string, patch: object): Promise<void> => {
    // The API server refuses a patch with another uid (409), so it never changes a later pod of the name.
    const body = { ...patch, metadata: { uid, ...('metadata' in patch ? (patch.metadata as object) : {}) } };
    await api
      .patchNamespacedPod({ name, namespace, body }, options({ contentType: PatchStrategy.StrategicMergePatch }))
      .catch(unless(404, 409));
  };

  const readSecret = (name: string): Promise<V1Secret | undefined> =>
    api.readNamespacedSecret({ name, namespace }, options()).catch(unless(404));

  const secretsOfPod = async (name: string): Promise<Secret[] | undefined> => {
    const data = (await readSecret(name))?.data;
    const config = data?.[configKey];
    if (data === undefined || config === undefined) return undefined;
    const text = (value: string): string => Buffer.from(value, 'base64').toString('utf8');
    const environment = Object.entries(data).flatMap(([key, value]) => {
      const variable = variableOfKey(key);
      return variable === undefined ? [] : [[variable, text(value)] as const];
    });
    return secretsOf({ environment: Object.fromEntries(environment), config: JSON.parse(text(config)) as unknown });
  };

  const withoutSecrets = async (name: string, output: string): Promise<string> => {
    const secrets = await secretsOfPod(name);
    return secrets ? lastLines(output, secrets) : '(hidden, because the config that names its secrets is gone)';
  };

  return {
    server,
    namespace,

    /** The uid of the namespace, which no other namespace ever has. */
    identify: async (): Promise<string> => {
      const { metadata } = await api.readNamespace({ name: namespace }, options());
      if (metadata?.uid === undefined) throw new Error('the API server does not tell the uid of the namespace');
      return metadata.uid;
    },

    inspect: async (name: string, signal?: AbortSignal): Promise<PodReading | undefined> => {
      const found = await api.readNamespacedPod({ name, namespace }, options({ signal })).catch(unless(404));
      return found && readPod(found);
    },

    /** False when a pod of that name exists. */
    createPod: async (body: V1Pod): Promise<boolean> => {
      const created = await api.createNamespacedPod({ namespace, body }, options()).catch(unless(409));
      return created !== undefined;
    },

    /** Fails as `createPod` would where the cluster refuses the pod, and creates nothing. */
    tryPod: async (body: V1Pod): Promise<void> => {
      await api.createNamespacedPod({ namespace, body, dryRun: 'All' }, options()).catch(unless(409));
    },

    sandboxes: openSandboxes({ access, namespace }),

    patchPod,

    /** Asks for the end of a pod. Repeating it can only shorten the grace period. */
    deletePod: async (name: string, uid: string, graceSeconds: number): Promise<void> => {
      const body = { gracePeriodSeconds: graceSeconds, preconditions: { uid } };
      await api.deleteNamespacedPod({ name, namespace, body }, options()).catch(unless(404, 409));
    },

    /** False when a Secret of that name exists. */
    createSecret: async (body: V1Secret): Promise<boolean> => {
      const created = await api.createNamespacedSecret({ namespace, body }, options()).catch(unless(409));
      return created !== undefined;
    },

    readSecret,

    deleteSecret: async ({ metadata }: V1Secret): Promise<void> => {
      const { name = '', uid } = metadata ?? {};
      const body = uid === undefined ? {} : { preconditions: { uid } };
      await api.deleteNamespacedSecret({ name, namespace, body }, options()).catch(unless(404, 409));
    },

    /** The last lines that the agent printed, with its secrets masked, and when. Undefined when it is gone or silent. */
    lastOutput: async (name: string): Promise<{ text: string; at: Date } | undefined> => {
      const request = { name, namespace, container: containerName, tailLines: outputTailLines, timestamps: true };
      // 400: the container has not started, or is removed.
      const log = await api.readNamespacedPodLog(request, options({ timeoutMs: logMs })).catch(unless(400, 404));
      const output = log === undefined ? undefined : readPodLog(log);
      return output && { ...output, text: await withoutSecrets(name, output.text) };
    },

    /** The last lines of a text that the agent printed, with the name of each secret in its place. */
    withoutSecrets,

    list: async (labelSelector: string, signal?: AbortSignal): Promise<{ version: string; pods: PodReading[] }> => {
      const { items, metadata } = await api.listNamespacedPod({ namespace, labelSelector }, options({ signal }));
      return { version: metadata?.resourceVersion ?? '', pods: items.map(readPod) };
    },

    /**
     * The changes after a version, until the API server ends the watch.
     *
     * The request is made here, because that of the library cannot be aborted before its answer begins.
     *
     * @throws WatchFailed, with code 410 when the API server no longer knows the version
     */
    async *watch(labelSelector: string, version: string, signal: AbortSignal): AsyncGenerator<PodChange> {
      const url = new URL(`${server}/api/v1/namespaces/${namespace}/pods`);
      url.search = new URLSearchParams({
        watch: 'true',
        labelSelector,
        resourceVersion: version,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(watchSeconds),
      }).toString();
      const limit = AbortSignal.any([signal, AbortSignal.timeout(watchSeconds * 1000 + answerMs)]);
      const request: https.RequestOptions = { signal: limit };
      await access.applyToHTTPSOptions(request);
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        const get = url.protocol === 'https:' ? https.get : http.get;
        get(url, request, resolve).once('error', reject);
      });
      try {
        if (response.statusCode !== 200) {
          throw new WatchFailed(`the watch was answered with status ${response.statusCode}`, response.statusCode);
        }
        for await (const line of linesOf(response)) {
          const { type, object } = watchEvent.parse(JSON.parse(line));
          if (type === 'ERROR') throw new WatchFailed(object.message, object.code);
          const next = object.metadata?.resourceVersion ?? version;
          yield { version: next, removed: type === 'DELETED', ...(type !== 'BOOKMARK' && { pod: readPod(object) }) };
        }
      } finally {
        response.destroy();
      }
    },
  };
}

/** @throws Error when the file cannot be read, or when this process has neither a file nor a service account */
function loadAccess(kubeconfig: string | undefined): KubeConfig {
  const access = new KubeConfig();
  if (kubeconfig === undefined) {
    if (!existsSync(accountToken)) {
      throw new Error(
        'This process is no pod with a service account, so KUBERNETES_NAMESPACE needs KUBECONFIG beside it.',
      );
    }
    access.loadFromCluster();
    return access;
  }
  try {
    access.loadFromFile(kubeconfig);
    if (access.getCurrentCluster() === null) throw new Error('it has no current context with a cluster');
    return access;
  } catch (cause) {
    throw new Error(`The kubeconfig file ${kubeconfig} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

/** Unlike those of `node:readline`, these lines end with the error of a connection that breaks. */
async function* linesOf(response: http.IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of response.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
}
