import { AgentNotReady, RuntimeUnavailable } from '../runtime.ts';
import type { Cluster } from './cluster.ts';
import { quoteOutputOf } from './pod-output.ts';
import type { PodReading } from './pod-reading.ts';
import type { PodWatcher } from './pod-watcher.ts';
import type { KubernetesSpec } from './spec.ts';
import { failedStart, findStartFailure, whyNotYet } from './start-failure.ts';

/**
 * Resolves with the pod once its agent is ready.
 * @throws AgentNotReady, SpecRejected; RuntimeUnavailable when the pod finds no node or is removed; the reason of the signal
 */
export async function awaitReady({
  cluster,
  watcher,
  pod: { name, uid },
  spec,
  signal,
  placeMs,
}: {
  cluster: Cluster;
  watcher: PodWatcher;
  pod: PodReading;
  spec: KubernetesSpec;
  signal: AbortSignal;
  /** How long the pod may wait for a node and its image. */
  placeMs: number;
}): Promise<PodReading> {
  const placeDeadline = performance.now() + placeMs;
  let readyDeadline: number | undefined;
  for (;;) {
    const reading = await cluster.inspect(name, signal);
    if (reading?.uid !== uid) throw new RuntimeUnavailable(`The pod ${name} was removed while it started.`);
    if (reading.phase === 'ended') throw failedStart(reading, await quoteOutputOf(cluster, reading));
    const failure = findStartFailure(reading, spec.image);
    if (failure) throw failure;
    if (reading.phase === 'running') {
      if (reading.ready) return reading;
      readyDeadline ??= performance.now() + spec.ready_timeout_seconds * 1000;
      if (performance.now() >= readyDeadline) {
        const sentence = `The readiness probe did not succeed within ${spec.ready_timeout_seconds} s.`;
        throw new AgentNotReady(`${sentence} ${await quoteOutputOf(cluster, reading)}`);
      }
    } else if (performance.now() >= placeDeadline) {
      const why = whyNotYet(reading) ?? 'its node has not started it';
      throw new RuntimeUnavailable(`The pod ${name} did not start within ${Math.round(placeMs / 1000)} s: ${why}.`);
    }
    await watcher.untilChanged(name, signal);
  }
}
