import type { V1Pod } from '@kubernetes/client-node';
import { RuntimeUnavailable } from '../runtime.ts';
import { rethrowAsStartFailure } from './cluster-error.ts';
import type { Cluster } from './cluster.ts';
import type { PodWatcher } from './pod-watcher.ts';
import type { SandboxReading } from './sandboxes.ts';

interface CreateOptions {
  cluster: Cluster;
  watcher: PodWatcher;
  sandboxes: 'auto' | 'never';
  pod: V1Pod;
  instanceId: string;
  signal: AbortSignal;
  /** How long the controller of Sandboxes may take to create the pod. */
  confirmMs: number;
}

/**
 * Creates the pod of an instance, unless its name is taken: by itself, or as that of a Sandbox where the cluster has
 * agent-sandbox. The controller of Sandboxes then creates the pod, and does so again whenever the pod is gone. Every such pod waits at
 * its gate, so that it never starts an agent by itself.
 *
 * @throws SpecRejected; RuntimeUnavailable when the controller creates no pod; the reason of the signal
 */
export async function createPod({ cluster, sandboxes, pod, ...options }: CreateOptions): Promise<void> {
  const version = sandboxes === 'auto' ? await cluster.sandboxes.version(options.signal) : undefined;
  if (version === undefined) {
    await cluster.createPod(pod).catch(rethrowAsStartFailure);
    return;
  }
  // What the cluster refuses about the pod would otherwise be told to the controller alone.
  await cluster.tryPod(pod).catch(rethrowAsStartFailure);
  await cluster.sandboxes.create(version, pod).catch(rethrowAsStartFailure);
  await untilCreated({ cluster, pod, ...options });
}

/** Resolves when the pod is there, and when the Sandbox is gone. */
async function untilCreated({
  cluster,
  watcher,
  pod,
  instanceId,
  signal,
  confirmMs,
}: Omit<CreateOptions, 'sandboxes'>): Promise<void> {
  const name = pod.metadata?.name ?? '';
  const deadline = performance.now() + confirmMs;
  while (!(await cluster.inspect(name, signal))) {
    const sandbox = await cluster.sandboxes.inspect(name, signal);
    if (!sandbox) return;
    if (sandbox.instanceId !== instanceId) {
      const command = `kubectl delete sandbox ${name} -n ${cluster.namespace}`;
      throw new RuntimeUnavailable(`The Sandbox ${name} was not created by agents_worker. Remove it: ${command}`);
    }
    if (performance.now() >= deadline) {
      await cluster.sandboxes.remove(name, sandbox.uid);
      throw new RuntimeUnavailable(
        `The controller of agent-sandbox created no pod for the Sandbox ${name} within ${Math.round(confirmMs / 1000)} s` +
          `${whyNone(sandbox)}. Start it, or set KUBERNETES_SANDBOXES=never of agents_worker.`,
      );
    }
    await watcher.untilChanged(name, signal);
  }
}

function whyNone({ message = '' }: SandboxReading): string {
  return message === '' ? '' : `: ${message.replace(/\.$/, '')}`;
}
