import { isGrpcServiceError } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerDeploymentOptions, type WorkerOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import { grpcCodes } from '../../bridge/signals/temporal-refusal.ts';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { temporalCertificate } from '../../configuration/temporal.ts';
import { errorMessage, FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import type { ServedHost } from '../../activities/host-steps.ts';
import type {
  HostActivities,
  HostSweepActivities,
  SharedActivities,
  SweepActivities,
} from '../../workflows/activities.ts';
import type { GateActivities } from '../../workflows/gate/activities.ts';
import type { RolloutActivities } from '../../workflows/rollouts/activities.ts';
import { hostTaskQueue, type BuildOfDeployment } from '../../contracts/names.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import type { WorkflowBundle } from '../workflow-bundle.ts';
import type { ServedHosts } from '../hosts/served-hosts.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { temporalLimits } from './time-limits.ts';
import { tracedDecisions } from './traced-decisions.ts';

export interface TemporalWorkerOptions {
  temporal: Configuration['temporal'];
  taskQueue: string;
  /** The activities of the shared task queue. */
  activities: SharedActivities & SweepActivities & RolloutActivities & GateActivities;
  /** The activities of the task queue of a host. */
  activitiesOf: (host: ServedHost) => HostActivities & HostSweepActivities;
  hosts: Pick<ServedHosts, 'onEach' | 'list' | 'setAtWork'>;
  /** Undefined: the worker is unversioned. */
  build: BuildOfDeployment | undefined;
  workflowBundle: () => Promise<WorkflowBundle>;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

/** Runs workflows and activities, also those of the hosts as they come, and connects again when a connection breaks. */
export function startTemporalWorker(options: TemporalWorkerOptions): Supervised {
  const { temporal, taskQueue, activities, activitiesOf, hosts, build, workflowBundle, logger, onFatal } = options;
  const versioned = build && { workerDeploymentOptions: versionedAs(build) };

  const run = async ({ signal, ready }: Session): Promise<void> => {
    const bundle = workflowBundle();
    bundle.catch(() => undefined);
    const connection = await connectWorker(temporal);
    // Whichever worker fails first ends all of them.
    const ending = new AbortController();
    const running: Promise<void>[] = [];
    const runWorker = async (
      own: Pick<WorkerOptions, 'taskQueue' | 'activities' | 'workflowBundle' | 'workerDeploymentOptions'>,
      onRunning: () => void,
    ): Promise<void> => {
      const worker = await Worker.create({
        ...undocumentedOptions,
        sinks: tracedDecisions,
        ...own,
        connection,
        namespace: temporal.namespace,
        maxHeartbeatThrottleInterval: temporalLimits.heartbeatThrottleMs,
        maxCachedWorkflows: cachedWorkflows,
        maxConcurrentWorkflowTaskExecutions: workflowTasksAtOnce,
        maxConcurrentWorkflowTaskPolls: workflowTasksAtOnce / 2,
        shutdownGraceTime: temporalLimits.shutdownGraceMs,
        shutdownForceTime: temporalLimits.shutdownForceMs,
      });
      const end = AbortSignal.any([signal, ending.signal]);
      end.addEventListener('abort', () => shutDownWorker(worker), { once: true });
      const work = worker.run();
      // The stop may have come while the worker was created.
      if (end.aborted) shutDownWorker(worker);
      else onRunning();
      await work;
    };
    try {
      await ensureSearchAttributes(connection, temporal.namespace);
      const failed = new Promise<never>((_, reject) => {
        hosts.onEach(
          (host) => {
            const ofHost = { taskQueue: hostTaskQueue(taskQueue, host.id), activities: { ...activitiesOf(host) } };
            // Temporal gives a step of a build that has no worker on the host to the unversioned workers there.
            const workers = build ? [{ ...ofHost, ...versioned }, ofHost] : [ofHost];
            let starting = workers.length;
            for (const own of workers) {
              const worker = runWorker(own, () => {
                starting -= 1;
                if (starting === 0) hosts.setAtWork(host.id, true);
              });
              running.push(worker);
              worker.catch(reject);
            }
          },
          AbortSignal.any([signal, ending.signal]),
        );
      });
      const main = runWorker(
        { taskQueue, activities: { ...activities }, workflowBundle: await bundle, ...versioned },
        ready,
      );
      running.push(main);
      await Promise.race([main, failed]);
    } finally {
      ending.abort();
      for (const { id } of hosts.list()) hosts.setAtWork(id, false);
      await Promise.allSettled(running);
      await connection.close().catch(() => undefined);
    }
  };
  return supervise({ name: 'temporal_worker', logger, run, onFatal });
}

/**
 * No documented option raises the SDK's limit of 5 s for one step of workflow code. A busy host exceeds that limit while it
 * replays, and Node.js then aborts the whole process: "async hook stack has become corrupted".
 */
export const undocumentedOptions: object = { isolateExecutionTimeout: '60 seconds' };

/**
 * Each workflow in the cache takes about 0.17 MB. The SDK's default depends on the memory of the machine and is thousands, which grows the
 * worker to gigabytes. Most instances are at rest: one that is no longer in the cache costs a replay of its short history when it changes.
 */
const cachedWorkflows = 300;

/**
 * Tasks beyond this number wait at the server, where their limit of 10 s does not run yet. With the SDK's 40, those that a busy host had
 * taken ran out of it before their turn, came again, and kept the host busy for good.
 */
const workflowTasksAtOnce = 12;

/**
 * Workflows move to the build that Temporal gives them. Their behavior is set for the worker, never for a workflow
 * (`setWorkflowOptions`), because unversioned workers with the same code would then fail each of their tasks.
 */
function versionedAs(version: BuildOfDeployment): WorkerDeploymentOptions {
  return { version, useWorkerVersioning: true, defaultVersioningBehavior: 'AUTO_UPGRADE' };
}

export function shutDownWorker(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

export async function connectWorker({ connection, namespace }: Configuration['temporal']): Promise<NativeConnection> {
  try {
    const native = await NativeConnection.connect(connection);
    await native.workflowService.describeNamespace({ namespace });
    return native;
  } catch (error) {
    const message = `Temporal at ${connection.address} cannot be used (namespace ${namespace}): ${errorMessage(error)}.`;
    if (isGrpcServiceError(error) && error.code === grpcCodes.notFound) {
      throw new FatalError(`${message} Create the namespace, or correct TEMPORAL_NAMESPACE.`, { cause: error });
    }
    const untrusted = explainUntrusted(error, temporalCertificate(connection.address));
    if (untrusted instanceof UntrustedCertificate) throw untrusted;
    throw new Error(`${message} Start it, or correct TEMPORAL_ADDRESS.`, { cause: error });
  }
}
