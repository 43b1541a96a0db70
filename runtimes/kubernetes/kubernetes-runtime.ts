import type { Logger } from 'pino';
import { identifyEngine } from '../engine-identity.ts';
import { instanceNameOf } from '../instance-name.ts';
import { explainErrors } from '../explain-errors.ts';
import type { KeptInstance, Runtime, RuntimeDescription } from '../runtime.ts';
import { asUnavailable } from './cluster-error.ts';
import { openCluster, type ClusterAddress } from './cluster.ts';
import { createPodLifecycle } from './pod-lifecycle.ts';
import { lastOutputOf } from './pod-output.ts';
import type { PodReading } from './pod-reading.ts';
import { labels, scopeLabel } from './pod-spec.ts';
import { statusInWords, whereIs } from './pod-words.ts';
import { createPodWatcher } from './pod-watcher.ts';
import type { KubernetesSpec } from './spec.ts';

export interface KubernetesRuntimeOptions extends ClusterAddress {
  /** The runtime watches and lists only pods of this scope, because several systems may share a namespace. */
  scope: string;
  /** Whether agents are Sandboxes where the cluster has agent-sandbox, or always bare pods. */
  sandboxes: 'auto' | 'never';
  logger: Logger;
  confirmMs?: number;
  placeMs?: number;
}

/**
 * Runs each agent as a pod in a namespace of a Kubernetes cluster, which any number of workers may share (see README.md). It
 * sends no request until a call needs one, and `watch` also resolves where no API server answers.
 */
export function createKubernetesRuntime({
  scope,
  sandboxes,
  logger,
  confirmMs = 30_000,
  placeMs = 300_000,
  ...address
}: KubernetesRuntimeOptions): Runtime<KubernetesSpec> {
  const cluster = openCluster(address);
  const watcher = createPodWatcher({ cluster, scope, logger });
  const { provision, cleanUp } = createPodLifecycle({
    cluster,
    watcher,
    sandboxes,
    scope,
    logger,
    confirmMs,
    placeMs,
  });

  async function describe(instanceId: string): Promise<RuntimeDescription | undefined> {
    const name = instanceNameOf(instanceId);
    const found = await cluster.inspect(name);
    if (!found && sandboxes === 'auto') return describeSandbox(name, instanceId);
    if (found?.instanceId !== instanceId) return undefined;
    const { uid: runtimeId, generation, since } = found;
    const status = statusInWords(found);
    const output = await lastOutputOf(cluster, found).catch(() => undefined);
    return {
      phase: phaseOf(found),
      where: whereIs(found, cluster.namespace),
      ...(status !== undefined && { status }),
      inspect: `kubectl describe pod ${found.name} -n ${cluster.namespace}`,
      runtimeId,
      generation,
      ...(since && { since }),
      ...(output && { output }),
    };
  }

  /** A Sandbox that has no pod yet. */
  async function describeSandbox(name: string, instanceId: string): Promise<RuntimeDescription | undefined> {
    const sandbox = await cluster.sandboxes.inspect(name);
    return sandbox?.instanceId === instanceId ? { phase: 'starting', generation: sandbox.generation } : undefined;
  }

  async function list(): Promise<KeptInstance[]> {
    const { pods } = await cluster.list(`${labels.scope}=${scopeLabel(scope)}`);
    return pods.flatMap(({ instanceId, generation }) => (instanceId === undefined ? [] : [{ instanceId, generation }]));
  }

  const { explained, guarded } = explainErrors((error) => asUnavailable(error, cluster));

  return {
    provision: (request, context) => guarded(context, () => provision(request, context)),
    cleanUp: (instanceId, context) => guarded(context, () => cleanUp(instanceId, context)),
    watch: (report) => watcher.start(report),
    describe: (instanceId) => explained(() => describe(instanceId)),
    list: () => explained(list),
    lease: undefined,
    identify: () => explained(async () => identifyEngine(await cluster.identify(), scope)),
    hostName: cluster.namespace,
    close: async () => watcher.close(),
  };
}

function phaseOf({ phase, ready, deleted, stopRequested }: PodReading): RuntimeDescription['phase'] {
  if (phase === 'created') return 'starting';
  if (phase !== 'running') return phase;
  if (deleted || stopRequested) return 'stopping';
  return ready ? 'running' : 'starting';
}
