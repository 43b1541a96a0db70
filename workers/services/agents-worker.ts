import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import pg from 'pg';
import { createActivities } from '../../activities/create-activities.ts';
import { startConsumer } from '../../bridge/consumer.ts';
import { createInstanceRouter } from '../../bridge/instance-router.ts';
import { instanceWorkflowId, queueNames } from '../../contracts/names.ts';
import { createProcessRuntime } from '../../runtimes/process/process-runtime.ts';
import type { RuntimeExit } from '../../runtimes/runtime.ts';
import { instanceMessageSignal } from '../../workflows/messages.ts';
import { serveHealth } from '../health.ts';
import type { Service, ServiceOptions } from './service.ts';
import { startTemporalWorker } from './temporal-worker.ts';
import { untilReady } from './until-ready.ts';

/** agents_worker: brings events to the workflows, runs workflows and activities, and watches what they run. */
export async function startAgentsWorker({ configuration, logger, onFatal }: ServiceOptions): Promise<Service> {
  const { temporal, taskQueue } = configuration;
  const pool = new pg.Pool({
    connectionString: configuration.databaseUrl,
    application_name: 'agents_worker',
    connectionTimeoutMillis: 5_000,
    // Shorter than the activities' own limit: an attempt that was given up cannot write later on.
    statement_timeout: 10_000,
    query_timeout: 12_000,
  });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle connection to PostgreSQL broke'));
  // gRPC reconnects by itself; a call made meanwhile fails at once and is retried by whoever made it. The SDK's own retries
  // can neither be stopped nor outlive the connection: one that is due after the close is an uncaught exception.
  const connection = Connection.lazy({
    ...temporal.connection,
    interceptors: [],
    channelArgs: { 'grpc.max_reconnect_backoff_ms': 5_000 },
  });
  const client = new Client({ connection, namespace: temporal.namespace });
  const processes = createProcessRuntime({
    directory: configuration.runtimeDirectory,
    hostEnvironment: configuration.hostEnvironment,
    logger,
  });

  const reportExit = async ({ instanceId, runtimeId, kind, message }: RuntimeExit): Promise<void> => {
    logger.info({ instanceId, runtimeId, kind }, message);
    try {
      await client.workflow
        .getHandle(instanceWorkflowId(instanceId))
        .signal(instanceMessageSignal, { type: 'runtimeExited', runtimeId, kind, message });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      logger.warn({ instanceId, runtimeId }, 'an agent ended that no workflow looks after');
    }
  };

  const worker = startTemporalWorker({
    temporal,
    taskQueue,
    activities: createActivities({ pool, runtimes: { process: processes } }),
    workflowBundle: configuration.workflowBundle,
    logger,
    onFatal,
  });
  const consumer = startConsumer({
    name: 'agents_worker',
    amqpUrl: configuration.amqpUrl,
    queue: queueNames.agentsWorkerInstance,
    handle: createInstanceRouter({ client, taskQueue, logger }),
    logger,
    onFatal,
  });
  const parts = [worker, consumer];
  const health = await serveHealth({
    host: configuration.healthHost,
    port: configuration.agentsWorkerHealthPort,
    parts,
  });
  await processes.watch(reportExit);

  return {
    healthPort: health.port,
    ready: () => untilReady(parts),
    stop: async () => {
      await consumer.stop();
      await worker.stop();
      await processes.close();
      await Promise.all([pool.end(), connection.close(), health.close()]);
    },
  };
}
