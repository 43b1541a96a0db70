import { Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Configuration } from '../../configuration/configuration.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import type { DeploymentActivities } from '../../workflows/deployments/activities.ts';
import type { WorkflowBundle } from '../workflow-bundle.ts';
import { connectWorker, shutDownWorker, undocumentedOptions } from './temporal-worker.ts';
import { temporalLimits } from './time-limits.ts';

export interface DeploymentWorkerOptions {
  temporal: Configuration['temporal'];
  taskQueue: string;
  activities: DeploymentActivities;
  workflowBundle: () => Promise<WorkflowBundle>;
  /** Called before any work. @throws FatalError where the settings of this process do not fit the database */
  check: () => Promise<void>;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

/** Runs the workflows of deployments and their activities. It has no build of its own, so that no deployment moves its tasks. */
export function startDeploymentWorker(options: DeploymentWorkerOptions): Supervised {
  const { temporal, taskQueue, activities, workflowBundle, check, logger, onFatal } = options;

  const run = async ({ signal, ready }: Session): Promise<void> => {
    await check();
    const bundle = await workflowBundle();
    const connection = await connectWorker(temporal);
    try {
      const worker = await Worker.create({
        ...undocumentedOptions,
        connection,
        namespace: temporal.namespace,
        taskQueue,
        activities: { ...activities },
        workflowBundle: bundle,
        maxHeartbeatThrottleInterval: temporalLimits.heartbeatThrottleMs,
        shutdownGraceTime: temporalLimits.shutdownGraceMs,
        shutdownForceTime: temporalLimits.shutdownForceMs,
      });
      signal.addEventListener('abort', () => shutDownWorker(worker), { once: true });
      const work = worker.run();
      // The stop may have come while the worker was created.
      if (signal.aborted) shutDownWorker(worker);
      else ready();
      await work;
    } finally {
      await connection.close().catch(() => undefined);
    }
  };
  return supervise({ name: 'temporal_worker', logger, run, onFatal });
}
