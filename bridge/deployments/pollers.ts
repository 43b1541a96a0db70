import type { Client } from '@temporalio/client';
import pMap from 'p-map';
import { createServerCalls, isAsleep, unlessMissing } from './server-calls.ts';

/** A task queue, and which of its two kinds of tasks is meant. */
export interface PolledQueue {
  name: string;
  type: 'workflow' | 'activity';
}

export interface PollersOptions {
  client: Client;
  deploymentName: string;
  /** The task queue of the workflows, which every build polls. */
  taskQueue: string;
}

/** A poll lasts a minute. The server remembers pollers for five minutes, so that one that was killed is still listed. */
const longestSilenceMs = 75_000;
const types = { workflow: 1, activity: 2 } as const;

/** Finds out which builds have workers. Routing tasks to a build without any is accepted by the server, and hangs. */
export function createPollers({ client, deploymentName, taskQueue }: PollersOptions) {
  const { namespace } = client.options;
  const service = client.workflowService;
  const call = createServerCalls(client);
  const registered = new Set<string>();

  /**
   * Whether the server has registered the build for the queues of the workflows: a worker polls some seconds earlier. A registration lasts as
   * long as the build.
   */
  const isRegistered = async (buildId: string): Promise<boolean> => {
    if (registered.has(buildId)) return true;
    const deploymentVersion = { deploymentName, buildId };
    const described = await unlessMissing(
      () => call(() => service.describeWorkerDeploymentVersion({ namespace, deploymentVersion })),
      isAsleep,
    );
    const queues = (described?.versionTaskQueues ?? []).filter(({ name }) => name === taskQueue);
    const own = new Set(queues.map(({ type }) => type));
    if (!Object.values(types).every((type) => own.has(type))) return false;
    registered.add(buildId);
    return true;
  };

  /** The builds whose workers poll a queue now; null stands for workers without a version. */
  const buildsOn = async ({ name, type }: PolledQueue): Promise<Set<string | null>> => {
    const { pollers } = await call(() =>
      service.describeTaskQueue({ namespace, taskQueue: { name }, taskQueueType: types[type] }),
    );
    const since = Date.now() - longestSilenceMs;
    return new Set(
      (pollers ?? []).flatMap(({ lastAccessTime, deploymentOptions: options }) => {
        if (Number(lastAccessTime?.seconds ?? 0) * 1_000 < since) return [];
        if (options?.workerVersioningMode !== versioned) return [null];
        return options.deploymentName === deploymentName && options.buildId ? [options.buildId] : [];
      }),
    );
  };

  return {
    /**
     * On which of the queues of the workflows a build has no workers. The queues of hosts are not asked for: what a build has no worker for on
     * a host, the workers without a build of that host do.
     *
     * @param buildId null for workers without a build
     */
    findMissing: async (buildId: string | null): Promise<PolledQueue[]> => {
      const isKnown = buildId === null || (await isRegistered(buildId));
      const missing = await pMap(['workflow', 'activity'] as const, async (type) => {
        const queue = { name: taskQueue, type };
        return isKnown && (await buildsOn(queue)).has(buildId) ? [] : [queue];
      });
      return missing.flat();
    },
  };
}

/** A value of `WorkerVersioningMode` in Temporal's API. */
const versioned = 2;
