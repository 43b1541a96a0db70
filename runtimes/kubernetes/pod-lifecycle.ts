import type { Logger } from 'pino';
import { instanceNameOf } from '../instance-name.ts';
import { mayGoOn } from '../may-go-on.ts';
import { RuntimeUnavailable } from '../runtime.ts';
import type { EffectContext, ProvisionRequest, RunningAgent, Runtime } from '../runtime.ts';
import { resolveConfig } from '../secret-references.ts';
import { awaitReady } from './await-ready.ts';
import { rethrowAsStartFailure } from './cluster-error.ts';
import type { Cluster } from './cluster.ts';
import { createPod } from './create-pod.ts';
import type { PodReading } from './pod-reading.ts';
import { whereIs } from './pod-words.ts';
import { annotations, finalizer, graceSeconds, podOf, schedulingGate, secretOf } from './pod-spec.ts';
import type { PodWatcher } from './pod-watcher.ts';
import type { KubernetesSpec } from './spec.ts';

interface LifecycleOptions {
  cluster: Cluster;
  watcher: PodWatcher;
  /** `auto`: new pods belong to Sandboxes where the cluster has agent-sandbox. */
  sandboxes: 'auto' | 'never';
  scope: string;
  logger: Logger;
  /** How long a node may take to confirm the end of a pod after its grace period, before the caller has to try again. */
  confirmMs: number;
  /** How long a pod may wait for a node and its image. */
  placeMs: number;
}

/** How long workers may contend for one name. */
const contentionMs = 60_000;

/**
 * Starts and ends pods. A pod's name is unique in the namespace, so creating the pod is the lock between workers. Every step
 * first reads the pod, because another worker may have changed it, and every change names the uid of the pod.
 */
export function createPodLifecycle({
  cluster,
  watcher,
  sandboxes,
  scope,
  logger,
  confirmMs,
  placeMs,
}: LifecycleOptions): Pick<Runtime<KubernetesSpec>, 'provision' | 'cleanUp'> {
  async function provision(request: ProvisionRequest<KubernetesSpec>, context: EffectContext): Promise<RunningAgent> {
    const { signal } = context;
    const name = instanceNameOf(request.instanceId);
    const deadline = performance.now() + contentionMs;
    let isFirst = true;
    while (isFirst || performance.now() < deadline) {
      isFirst = false;
      const found = await cluster.inspect(name, signal);
      if (!found) {
        const pod = podOf({ request, scope });
        await createPod({ cluster, watcher, sandboxes, pod, instanceId: request.instanceId, signal, confirmMs });
      } else if (found.instanceId !== request.instanceId) {
        throw new RuntimeUnavailable(
          `The pod ${name} was not created by agents_worker. Remove it: kubectl delete pod ${name} -n ${cluster.namespace}`,
        );
      } else if (found.phase === 'ended' || found.stopRequested || found.deleted || (await isLeftOver(found, signal))) {
        await end(found, context);
      } else if (await mayGoOn(found, request, context)) {
        return await start(found, request, context);
      } else {
        await end(found, context);
      }
    }
    throw new RuntimeUnavailable(`Other workers keep changing the pod ${name}.`);
  }

  /**
   * Whether the pod waits for the start of an agent whose Sandbox is gone. Its controller creates such a pod where it hears of the
   * end of the earlier pod before it hears of the end of the Sandbox.
   */
  async function isLeftOver({ name, phase, sandboxUid }: PodReading, signal: AbortSignal): Promise<boolean> {
    if (phase !== 'created' || sandboxUid === undefined) return false;
    const sandbox = await cluster.sandboxes.inspect(name, signal);
    return sandbox?.uid !== sandboxUid || sandbox.deleted;
  }

  /** Goes on with a start that this or another worker began, or takes over an agent that runs. */
  async function start(
    found: PodReading,
    request: ProvisionRequest<KubernetesSpec>,
    { signal, beforeStart }: EffectContext,
  ): Promise<RunningAgent> {
    const { instanceId, generation, spec } = request;
    const { uid, phase } = found;
    watcher.hold(found);
    let ready: PodReading;
    try {
      if (phase === 'created') {
        await beforeStart?.();
        signal.throwIfAborted();
        await putSecret(found, request).catch(rethrowAsStartFailure);
        await cluster.patchPod(found.name, uid, {
          // The controller of a Sandbox has created its pod without one.
          metadata: { finalizers: [finalizer] },
          spec: { schedulingGates: [{ name: schedulingGate, $patch: 'delete' }] },
        });
      }
      ready = await awaitReady({ cluster, watcher, pod: found, spec, signal, placeMs });
    } catch (error) {
      await undo(found);
      throw error;
    }
    watcher.watch(found);
    if (phase !== 'running') logger.info({ instanceId, runtimeId: uid, generation }, 'pod started');
    return { runtimeId: uid, where: whereIs(ready, cluster.namespace) };
  }

  /** Creates the Secret of the pod, in the place of one that an earlier pod has left. */
  async function putSecret({ name, uid }: PodReading, request: ProvisionRequest<KubernetesSpec>): Promise<void> {
    const secret = secretOf({ request: { ...request, config: await resolveConfig(request) }, scope, podUid: uid });
    while (!(await cluster.createSecret(secret))) {
      const present = await cluster.readSecret(name);
      if (present?.metadata?.annotations?.[annotations.podUid] === uid) return;
      if ((await cluster.inspect(name))?.uid !== uid) {
        throw new RuntimeUnavailable(`The pod ${name} was removed while it started.`);
      }
      if (present) await cluster.deleteSecret(present);
    }
  }

  /** Removes the pod of a failed start without asking its agent to stop. */
  async function undo(pod: PodReading): Promise<void> {
    try {
      await remove(pod, 0, AbortSignal.timeout(confirmMs));
    } catch (error) {
      // The pod keeps its name, so the next call for the instance removes it.
      const { instanceId, uid: runtimeId } = pod;
      logger.error({ err: error, instanceId, runtimeId }, 'the pod of a failed start is not removed yet');
    }
  }

  async function end(found: PodReading, { signal, beforeStop }: EffectContext): Promise<void> {
    const { name, uid, phase, deleted, stopGraceSeconds } = found;
    watcher.hold(found);
    const asks = phase === 'running' && stopGraceSeconds > 0 && !deleted;
    if (asks && beforeStop) {
      await markStopRequested(name, uid);
      await beforeStop();
    }
    await remove(found, phase === 'running' ? stopGraceSeconds : 0, signal);
  }

  /** Lets the pod end, and then removes it with its Secret. */
  async function remove(
    { name, uid, phase, sandboxUid }: PodReading,
    grace: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (phase !== 'ended') await markStopRequested(name, uid);
    // First, because its controller would create another pod.
    if (sandboxUid !== undefined) await cluster.sandboxes.remove(name, sandboxUid);
    await cluster.deletePod(name, uid, graceSeconds(grace));
    const last = await untilEnded(name, uid, graceSeconds(grace) * 1000 + confirmMs, signal);
    await removeSecret(name, uid);
    if (!last) return;
    await cluster.patchPod(name, uid, { metadata: { '$deleteFromPrimitiveList/finalizers': [finalizer] } });
    await untilGone(name, uid, signal);
  }

  function markStopRequested(name: string, uid: string): Promise<void> {
    const stopRequestedAt = new Date().toISOString();
    return cluster.patchPod(name, uid, {
      metadata: { annotations: { [annotations.stopRequestedAt]: stopRequestedAt } },
    });
  }

  /**
   * Waits until nothing of the pod can still run.
   * @returns undefined when the pod is gone
   */
  async function untilEnded(
    name: string,
    uid: string,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<PodReading | undefined> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const found = await cluster.inspect(name, signal);
      if (found?.uid !== uid) return undefined;
      if (found.phase === 'ended') return found;
      if (performance.now() >= deadline) {
        throw new RuntimeUnavailable(
          `The node ${found.nodeName ?? ''} does not confirm that the pod ${name} has ended, so its agent may still run. ` +
            `Bring the node back, or delete it from the cluster: kubectl delete node ${found.nodeName ?? ''}`,
        );
      }
      await watcher.untilChanged(name, signal);
    }
  }

  async function untilGone(name: string, uid: string, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + confirmMs;
    while ((await cluster.inspect(name, signal))?.uid === uid) {
      if (performance.now() >= deadline) {
        throw new RuntimeUnavailable(
          `Something else keeps the pod ${name}: see its finalizers with kubectl get pod ${name} -n ${cluster.namespace} -o yaml`,
        );
      }
      await watcher.untilChanged(name, signal);
    }
  }

  async function removeSecret(name: string, uid?: string): Promise<void> {
    const secret = await cluster.readSecret(name);
    const owner = secret?.metadata?.annotations?.[annotations.podUid];
    // The Secret of a later pod, or of somebody else, stays.
    if (secret && owner !== undefined && (uid === undefined || owner === uid)) await cluster.deleteSecret(secret);
  }

  async function cleanUp(instanceId: string, context: EffectContext): Promise<void> {
    const name = instanceNameOf(instanceId);
    const found = await cluster.inspect(name, context.signal);
    if (!found) {
      await removeSandbox(name, instanceId, context.signal);
      await removeSecret(name);
    } else if (found.instanceId === instanceId) await end(found, context);
  }

  /** Removes a Sandbox that has no pod. */
  async function removeSandbox(name: string, instanceId: string, signal: AbortSignal): Promise<void> {
    if (sandboxes === 'never') return;
    const sandbox = await cluster.sandboxes.inspect(name, signal);
    if (sandbox?.instanceId === instanceId) await cluster.sandboxes.remove(name, sandbox.uid);
  }

  return { provision, cleanUp };
}
