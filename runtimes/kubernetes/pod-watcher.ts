import { EventEmitter, once } from 'node:events';
import type { Logger } from 'pino';
import { createExitReporter, type Report } from '../exit-reporter.ts';
import type { Cluster } from './cluster.ts';
import { followPods } from './follow-pods.ts';
import { quoteOutputOf } from './pod-output.ts';
import { classifyEnd } from './pod-end.ts';
import type { PodReading } from './pod-reading.ts';
import { labels, scopeLabel } from './pod-spec.ts';

interface Watched {
  instanceId: string;
  /** `held`: this worker is starting or ending the pod, so its end is not reported. */
  phase: 'held' | 'watched' | 'reported';
  /** What the cluster last told of the pod. */
  last?: PodReading;
}

type KnownPod = Pick<PodReading, 'name' | 'uid'>;

export type PodWatcher = ReturnType<typeof createPodWatcher>;

interface WatcherOptions {
  cluster: Cluster;
  scope: string;
  logger: Logger;
}

/** How long a wait for a change lasts at most, because a watch may be cut off, or not be there. */
const withWatchMs = 1_000;
const withoutWatchMs = 250;

/**
 * Reports ends of pods at least once. Every worker that watches reports an end, and reports it again after a restart while
 * the pod exists; repeats have the same runtime id.
 */
export function createPodWatcher({ cluster, scope, logger }: WatcherOptions) {
  const labelSelector = `${labels.scope}=${scopeLabel(scope)}`;
  const pods = new Map<string, Watched>();
  const reporter = createExitReporter(logger);
  const changes = new EventEmitter().setMaxListeners(0);
  let isFollowing = false;

  function entryOf(uid: string, instanceId: string): Watched {
    const entry = pods.get(uid) ?? { instanceId, phase: 'watched' };
    pods.set(uid, entry);
    return entry;
  }

  /** From now on the end of the pod is not reported. */
  function hold({ uid, instanceId }: PodReading): void {
    entryOf(uid, instanceId ?? '').phase = 'held';
  }

  /** From now on the end of the pod is reported, also an end that came while the pod was held. */
  function watch(reading: PodReading): void {
    const entry = entryOf(reading.uid, reading.instanceId ?? '');
    entry.phase = 'watched';
    if (entry.last?.phase === 'ended') ended(reading, entry);
  }

  function ended({ name, uid }: KnownPod, entry: Watched): void {
    if (entry.phase !== 'watched') return;
    entry.phase = 'reported';
    const { instanceId } = entry;
    const attempt = async (report: Report): Promise<void> => {
      // The pod was held again meanwhile, to be ended or replaced.
      if (entry.phase === 'held') return;
      const found = await cluster.inspect(name, reporter.signal);
      const present = found?.uid === uid ? found : undefined;
      if (!present) pods.delete(uid);
      if (present && present.phase !== 'ended') {
        // A list that was older than the pod did not have it.
        entry.phase = 'watched';
        return;
      }
      const reading = present ?? entry.last;
      if (reading?.stopRequested) return;
      const { message, ...how } = classifyEnd(reading?.phase === 'ended' ? reading : undefined);
      const output = present ? await quoteOutputOf(cluster, present) : 'Its output was removed with the pod.';
      await report({ instanceId, runtimeId: uid, ...how, message: `${message} ${output}` });
      logger.info({ instanceId, runtimeId: uid, kind: how.kind }, message);
    };
    void reporter.deliver({ instanceId, runtimeId: uid }, attempt);
  }

  function onChange({ pod, removed }: { pod: PodReading; removed: boolean }): void {
    const entry = entryOf(pod.uid, pod.instanceId ?? '');
    entry.last = pod;
    changes.emit(pod.name);
    if (removed) gone(pod, entry);
    else if (pod.phase === 'ended') ended(pod, entry);
  }

  function gone(pod: KnownPod, entry: Watched): void {
    if (entry.phase === 'watched') ended(pod, entry);
    else pods.delete(pod.uid);
  }

  /** Finds what happened while no watch was open. */
  function onList(found: PodReading[]): void {
    for (const pod of found) onChange({ pod, removed: false });
    const there = new Set(found.map(({ uid }) => uid));
    for (const [uid, entry] of pods) {
      if (!there.has(uid) && entry.last) gone(entry.last, entry);
    }
  }

  return {
    hold,
    watch,
    /** Resolves when the pod may have changed. */
    async untilChanged(name: string, signal: AbortSignal): Promise<void> {
      const limit = AbortSignal.timeout(isFollowing ? withWatchMs : withoutWatchMs);
      await once(changes, name, { signal: AbortSignal.any([signal, limit]) }).catch(() => signal.throwIfAborted());
    },
    async start(report: Report): Promise<void> {
      reporter.start(report);
      isFollowing = true;
      await followPods({ cluster, labelSelector, onList, onChange, logger, signal: reporter.signal });
    },
    close: reporter.close,
  };
}
