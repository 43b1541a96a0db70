import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isGrpcServiceError } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import { describe, FatalError, supervise, type Session, type Supervised } from '../../bridge/supervise.ts';
import type { InstanceActivities } from '../../workflows/activities.ts';
import type { Configuration } from '../configuration.ts';
import { ensureSearchAttributes } from './search-attributes.ts';

export interface TemporalWorkerOptions {
  temporal: Configuration['temporal'];
  taskQueue: string;
  activities: InstanceActivities;
  workflowBundle: string | undefined;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

/** Runs workflows and activities, over connections that recover. */
export function startTemporalWorker(options: TemporalWorkerOptions): Supervised {
  const { temporal, taskQueue, activities, logger, onFatal } = options;
  let bundle: Promise<{ code: string }> | undefined;

  const run = async ({ signal, ready }: Session): Promise<void> => {
    bundle ??= loadBundle(options.workflowBundle);
    const connection = await connect(temporal);
    try {
      await ensureSearchAttributes(connection, temporal.namespace);
      const worker = await Worker.create({
        connection,
        namespace: temporal.namespace,
        taskQueue,
        activities: { ...activities },
        workflowBundle: await bundle,
        // A provisioning that is no longer wanted learns of it with a heartbeat: not later than this.
        maxHeartbeatThrottleInterval: '500 milliseconds',
        shutdownGraceTime: '5 seconds',
      });
      signal.addEventListener('abort', () => shutDown(worker), { once: true });
      const running = worker.run();
      // It may have been stopped while it connected.
      if (signal.aborted) shutDown(worker);
      else ready();
      await running;
    } finally {
      await connection.close().catch(() => undefined);
    }
  };
  return supervise({ name: 'temporal_worker', logger, run, onFatal });
}

function shutDown(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

async function connect({ connection, namespace }: Configuration['temporal']): Promise<NativeConnection> {
  try {
    const native = await NativeConnection.connect(connection);
    await native.workflowService.describeNamespace({ namespace });
    return native;
  } catch (error) {
    const message = `Temporal at ${connection.address} cannot be used (namespace ${namespace}): ${describe(error)}.`;
    if (isGrpcServiceError(error) && error.code === grpcNotFound) {
      throw new FatalError(`${message} Create the namespace, or correct TEMPORAL_NAMESPACE.`, { cause: error });
    }
    throw new Error(`${message} Start it, or correct TEMPORAL_ADDRESS.`, { cause: error });
  }
}

const grpcNotFound = 5;

async function loadBundle(path: string | undefined): Promise<{ code: string } | WorkflowBundleWithSourceMap> {
  if (path !== undefined) return { code: await readFile(path, 'utf8') };
  const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
  return bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
}
