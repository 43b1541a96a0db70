import { createDeploymentActivities } from '../../activities/deployments/create-deployment-activities.ts';
import type { DeploymentServer } from '../../activities/deployments/dependencies.ts';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { openDeploymentServer } from '../../bridge/deployments/deployment-server.ts';
import { watchAcceptance } from '../../bridge/signals/acceptance.ts';
import { createDeploymentRouter } from '../../bridge/signals/deployment-router.ts';
import { createDeploymentWorkflows } from '../../bridge/signals/deployment-workflows.ts';
import { AnotherEngine, requireSameEngine } from '../../bridge/signals/engine.ts';
import { deploymentTaskQueue, queueNames } from '../../contracts/names.ts';
import { FatalError } from '../../supervision/errors.ts';
import { serveHealth } from '../health.ts';
import { loadDeploymentBundle, type WorkflowBundle } from '../workflow-bundle.ts';
import { closeAll } from './close-all.ts';
import { startDeploymentWatch } from './deployment-watch.ts';
import { startDeploymentWorker } from './deployment-worker.ts';
import { openPool } from './open-pool.ts';
import { openTemporal } from './open-temporal.ts';
import type { Service, ServiceOptions } from './service.ts';
import { untilReady } from './until-ready.ts';

/** The deployer carries new builds of agents_worker through gate and ramp, and takes them back. */
export async function startDeployer({ configuration, logger, onFatal }: ServiceOptions): Promise<Service> {
  const { temporal, taskQueue, amqpUrl } = configuration;
  const pool = openPool({ databaseUrl: configuration.databaseUrl, service: 'deployer', logger });
  const { client, connection } = openTemporal(temporal);
  const acceptance = watchAcceptance({ namespace: temporal.namespace, logger });
  const workflows = createDeploymentWorkflows({ client, taskQueue });
  let loadingBundle: Promise<WorkflowBundle> | undefined;

  // Every deployer of an engine signs its changes alike, so that one goes on where another stopped.
  const identity = `deployer of ${taskQueue}`;
  const servers = new Map<string, DeploymentServer>();
  const serverOf = (deploymentName: string): DeploymentServer => {
    const server = servers.get(deploymentName) ?? openDeploymentServer({ client, deploymentName, taskQueue, identity });
    servers.set(deploymentName, server);
    return server;
  };
  const worker = startDeploymentWorker({
    temporal,
    taskQueue: deploymentTaskQueue(taskQueue),
    activities: createDeploymentActivities({
      pool,
      serverOf,
    }),
    workflowBundle: () => (loadingBundle ??= loadDeploymentBundle(configuration.deploymentBundle)),
    check: async () => {
      try {
        await requireSameEngine(pool, client, taskQueue);
      } catch (error) {
        if (!(error instanceof AnotherEngine)) throw error;
        throw new FatalError(`${error.message} Correct the setting.`, { cause: error });
      }
    },
    logger,
    onFatal,
  });
  const consumer = startConsumer({
    name: 'deployer',
    amqpUrl,
    queue: queueNames.agentsWorkerDeployment,
    handle: createDeploymentRouter({ workflows, acceptance }),
    logger,
    onFatal,
  });
  const watch = startDeploymentWatch({ pool, workflows, logger, onFatal });
  const parts = [acceptance, worker, consumer, watch];
  const health = await serveHealth({
    host: configuration.healthHost,
    port: configuration.deployerHealthPort,
    setting: 'DEPLOYER_HEALTH_PORT',
    parts,
  });
  return {
    healthPort: health.port,
    ready: () => untilReady(parts),
    stop: async () => {
      await Promise.all([consumer.stop(), watch.stop()]);
      await worker.stop();
      await closeAll([pool.end(), connection.close(), health.close()]);
    },
  };
}
