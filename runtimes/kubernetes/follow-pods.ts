import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { reasonOf, statusOf } from './cluster-error.ts';
import type { Cluster } from './cluster.ts';
import type { PodReading } from './pod-reading.ts';

interface FollowOptions {
  cluster: Pick<Cluster, 'list' | 'watch' | 'server'>;
  labelSelector: string;
  /** Called with all pods at first, and whenever changes were missed. */
  onList: (pods: PodReading[]) => void;
  onChange: (change: { pod: PodReading; removed: boolean }) => void;
  logger: Logger;
  signal: AbortSignal;
}

const firstPauseMs = 100;
const longestPauseMs = 10_000;
/** The API server forgot the version. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses */
const gone = 410;

/**
 * Follows the pods until the signal aborts: lists them, and then watches for changes from the version of the list on. A watch
 * that was cut off goes on at the version that it had reached; where the API server has forgotten that version, the pods are
 * listed again. Resolves once the first attempt to list has succeeded or failed.
 */
export async function followPods({
  cluster,
  labelSelector,
  onList,
  onChange,
  logger,
  signal,
}: FollowOptions): Promise<void> {
  let version: string | undefined;
  let failures = 0;

  const answered = (): void => {
    if (failures > 0) logger.info({ server: cluster.server }, 'the API server of Kubernetes answers again');
    failures = 0;
  };

  const follow = async (attempted: () => void): Promise<void> => {
    try {
      if (version === undefined) {
        const listed = await cluster.list(labelSelector, signal);
        onList(listed.pods);
        version = listed.version;
        answered();
        attempted();
      }
      for await (const { version: next, pod, removed } of cluster.watch(labelSelector, version, signal)) {
        version = next;
        answered();
        if (pod) onChange({ pod, removed });
      }
      answered();
    } catch (error) {
      if (signal.aborted) return;
      if (statusOf(error) === gone) {
        logger.info(
          { version },
          'the API server of Kubernetes has forgotten the version of the watch; listing all pods',
        );
        version = undefined;
        return;
      }
      failures += 1;
      if (failures === 1) {
        const away = { server: cluster.server, error: reasonOf(error) };
        logger.warn(away, 'the API server of Kubernetes is away; trying again');
      }
    }
  };

  const keepFollowing = async (attempted: () => void): Promise<void> => {
    while (!signal.aborted) {
      await follow(attempted);
      attempted();
      const pauseMs = Math.min(firstPauseMs * 2 ** failures, longestPauseMs) * (0.5 + Math.random() / 2);
      await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };

  await new Promise<void>((resolve) => void keepFollowing(resolve));
}
