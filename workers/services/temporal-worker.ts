import { isGrpcServiceError } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { temporalCertificate } from '../../configuration/temporal.ts';
import { errorMessage, FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import type { InstanceActivities, SweepActivities } from '../../workflows/activities.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import { loadWorkflowBundle, type WorkflowBundle } from '../workflow-bundle.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { temporalLimits } from './time-limits.ts';

export interface TemporalWorkerOptions {
  temporal: Configuration['temporal'];
  taskQueue: string;
  activities: InstanceActivities & SweepActivities;
  workflowBundle: string | undefined;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

/** Runs workflows and activities, and connects again when a connection breaks. */
export function startTemporalWorker(options: TemporalWorkerOptions): Supervised {
  const { temporal, taskQueue, activities, logger, onFatal } = options;
  let bundle: Promise<WorkflowBundle> | undefined;

  const run = async ({ signal, ready }: Session): Promise<void> => {
    bundle ??= loadWorkflowBundle(options.workflowBundle);
    const connection = await connect(temporal);
    try {
      await ensureSearchAttributes(connection, temporal.namespace);
      const worker = await Worker.create({
        ...undocumentedOptions,
        connection,
        namespace: temporal.namespace,
        taskQueue,
        activities: { ...activities },
        workflowBundle: await bundle,
        maxHeartbeatThrottleInterval: temporalLimits.heartbeatThrottleMs,
        shutdownGraceTime: temporalLimits.shutdownGraceMs,
        shutdownForceTime: temporalLimits.shutdownForceMs,
      });
      signal.addEventListener('abort', () => shutDown(worker), { once: true });
      const running = worker.run();
      // The stop may have come while the worker connected.
      if (signal.aborted) shutDown(worker);
      else ready();
      await running;
    } finally {
      await connection.close().catch(() => undefined);
    }
  };
  return supervise({ name: 'temporal_worker', logger, run, onFatal });
}

/**
 * No documented option raises the SDK's limit of 5 s for one step of workflow code. A busy host exceeds that limit while it
 * replays, and Node.js then aborts the whole process: "async hook stack has become corrupted".
 */
const undocumentedOptions: object = { isolateExecutionTimeout: '60 seconds' };

function shutDown(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

async function connect({ connection, namespace }: Configuration['temporal']): Promise<NativeConnection> {
  try {
    const native = await NativeConnection.connect(connection);
    await native.workflowService.describeNamespace({ namespace });
    return native;
  } catch (error) {
    const message = `Temporal at ${connection.address} cannot be used (namespace ${namespace}): ${errorMessage(error)}.`;
    if (isGrpcServiceError(error) && error.code === grpcNotFound) {
      throw new FatalError(`${message} Create the namespace, or correct TEMPORAL_NAMESPACE.`, { cause: error });
    }
    const untrusted = explainUntrusted(error, temporalCertificate(connection.address));
    if (untrusted instanceof UntrustedCertificate) throw untrusted;
    throw new Error(`${message} Start it, or correct TEMPORAL_ADDRESS.`, { cause: error });
  }
}

const grpcNotFound = 5;
