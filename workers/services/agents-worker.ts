import { setMaxListeners } from 'node:events';
import { randomUUID } from 'node:crypto';
import { createHostActivities, createSharedActivities, createTake } from '../../activities/create-activities.ts';
import { createRolloutActivities } from '../../activities/rollout-activities.ts';
import { createGateActivities } from '../../activities/gate/gate-activities.ts';
import { createHostSteps } from '../../activities/host-steps.ts';
import { observeHostSteps } from '../../activities/observe-host-steps.ts';
import { createRowSteps } from '../../activities/row-steps.ts';
import { withHandover, type LastingSteps } from '../../activities/with-handover.ts';
import { sweepHostOnce } from '../../activities/sweep-host.ts';
import { sweepOnce } from '../../activities/sweep.ts';
import { watchAcceptance } from '../../bridge/signals/acceptance.ts';
import { createAgentRouter } from '../../bridge/signals/agent-router.ts';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { startControlPlane } from '../../bridge/control-plane/control-plane.ts';
import { createInstanceRouter } from '../../bridge/signals/instance-router.ts';
import { createInstanceWorkflows } from '../../bridge/signals/instance-workflows.ts';
import { createRolloutRouter } from '../../bridge/signals/rollout-router.ts';
import { createRolloutWorkflows } from '../../bridge/signals/rollout-workflows.ts';
import { untilAccepted } from '../../bridge/signals/until-accepted.ts';
import { queueNames } from '../../contracts/names.ts';
import { agentExits } from '../../metrics/agents.ts';
import { countSweep } from '../../metrics/sweeps.ts';
import { openRuntimes } from '../../runtimes/registry.ts';
import type { RuntimeExit } from '../../runtimes/runtime.ts';
import { openHostSecrets } from '../../runtimes/secret-references.ts';
import { serveHealth, type Part } from '../health.ts';
import { createEngineReadings } from '../hosts/engine-readings.ts';
import { startHosts } from '../hosts/start-hosts.ts';
import { buildOf, loadWorkflowBundle, type WorkflowBundle } from '../workflow-bundle.ts';
import { startBuildAnnouncement } from './build-announcement.ts';
import { startNamespaceWatch } from './namespace-watch.ts';
import type { Service, ServiceOptions } from './service.ts';
import { startSweepSchedule } from './sweep-schedule.ts';
import { startTemporalWorker } from './temporal-worker.ts';
import { openPool } from './open-pool.ts';
import { openTemporal } from './open-temporal.ts';
import { startEngineClaim } from './engine-claim.ts';
import { within } from '../../supervision/within.ts';
import { closeAll } from './close-all.ts';
import { hostLimits } from './time-limits.ts';
import { startAfter, type Stop } from './start-after.ts';
import { untilReady } from './until-ready.ts';

/** agents_worker delivers events to workflows, runs workflows and activities, and watches the agents. */
export async function startAgentsWorker({ configuration, logger, onFatal }: ServiceOptions): Promise<Service> {
  const { temporal, taskQueue, build } = configuration;
  const pool = openPool({ databaseUrl: configuration.databaseUrl, service: 'agents_worker', logger });
  const hostPool = openPool({ databaseUrl: configuration.databaseUrl, service: 'agents_worker', logger, max: 3 });
  const { client, connection } = openTemporal(temporal);
  const acceptance = watchAcceptance({ namespace: temporal.namespace, logger });
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const workflows = createInstanceWorkflows({ client, taskQueue });
  const rollouts = createRolloutWorkflows({ client, taskQueue });
  const runtimes = await openRuntimes(configuration.runtimeVariables, {
    scope: `${temporal.namespace}/${taskQueue}`,
    logger,
    hostEnvironment: configuration.hostEnvironment,
    readOnly: false,
  });
  const everyRuntime = Object.values(runtimes);
  let loadingBundle: Promise<WorkflowBundle> | undefined;
  const workflowBundle = () => (loadingBundle ??= loadWorkflowBundle(configuration.workflowBundle));

  const reportExit = async ({ instanceId, ...exit }: RuntimeExit): Promise<void> => {
    logger.info({ instanceId, runtimeId: exit.runtimeId, kind: exit.kind }, exit.message);
    agentExits.inc({ kind: exit.kind, failed: String(exit.failed) });
    const call = async (): Promise<void> => {
      if (await workflows.signal(instanceId, { type: 'runtimeExited', ...exit })) return;
      logger.warn({ instanceId, runtimeId: exit.runtimeId }, 'an agent ended that no workflow looks after');
    };
    await untilAccepted({ call, acceptance, signal: stopping.signal });
  };

  const claim = startEngineClaim({ pool, client, taskQueue, logger, onFatal });
  const parts: Part[] = [claim, acceptance];

  // Every part would do harm on the database of another engine, so none starts before the claim is made.
  const startParts = async (): Promise<Stop> => {
    const control = startControlPlane({
      amqpUrl: configuration.amqpUrl,
      headStartMs: configuration.controlHeadStartSeconds * 1000,
      logger,
      onFatal,
    });
    const namespaceWatch = startNamespaceWatch({ connection, namespace: temporal.namespace, logger, onFatal });
    const hosts = startHosts({
      pool: hostPool,
      configuration,
      runtimes,
      reachesTemporal: namespaceWatch.reachesTemporal,
      signalInstance: workflows.remind,
      readings: createEngineReadings({ pool, logger }),
      worker: { id: randomUUID(), build: build?.buildId ?? buildOf(await workflowBundle()) },
      logger,
      onFatal,
    });
    const dependencies = {
      pool,
      allowedRuntimes: configuration.allowedRuntimes,
      control: { ...control, agentUrl: configuration.controlAmqpUrl },
      hostSecrets: openHostSecrets(configuration.agentSecrets),
    };
    const stepsOfHosts = new Map<string, LastingSteps>();
    hosts.served.onEach((host) => {
      stepsOfHosts.set(host.id, withHandover(observeHostSteps(createHostSteps({ ...dependencies, host }), host.kind)));
    }, stopping.signal);
    const take = createTake({ rowSteps: createRowSteps(dependencies), hostSteps: (id) => stepsOfHosts.get(id) });
    const worker = startTemporalWorker({
      temporal,
      taskQueue,
      activities: {
        ...createSharedActivities(take),
        ...createRolloutActivities({ pool }),
        ...createGateActivities({
          client,
          workflowBundle,
          pool,
          build,
          findIdleParts: () => parts.flatMap(toIdlePart),
        }),
        sweep: () => {
          const sweeping = {
            pool,
            listWorkflows: workflows.listRunning,
            signalInstance: workflows.remind,
            keepControlQueue: control.keepQueue,
            removeUnusedControlQueue: control.removeUnusedQueue,
            rollouts: { listWorkflows: rollouts.listRunning, signalWorkflow: rollouts.signalOrStart },
            logger,
          };
          const sweep = () => countSweep('rows', () => sweepOnce(sweeping));
          return acceptance.repeated(sweep, 2_000 * configuration.sweepIntervalSeconds);
        },
      },
      activitiesOf: (host) => ({
        ...createHostActivities(take),
        sweepHost: () => countSweep('host', () => sweepHostOnce({ pool, host, signalInstance: workflows.remind })),
      }),
      hosts: hosts.served,
      build,
      workflowBundle,
      logger,
      onFatal,
    });
    const consumer = startConsumer({
      name: 'agents_worker',
      amqpUrl: configuration.amqpUrl,
      queue: queueNames.agentsWorkerInstance,
      // Of the events of one instance only the newest is sent, so that a larger window makes an instance that changes often cheaper.
      prefetch: 64,
      handle: createInstanceRouter({ workflows, acceptance }),
      logger,
      onFatal,
    });
    const agentConsumer = startConsumer({
      name: 'agents_worker.agent',
      amqpUrl: configuration.amqpUrl,
      queue: queueNames.agentsWorkerAgent,
      handle: createAgentRouter({ workflows, pool, control, acceptance }),
      logger,
      onFatal,
    });
    const rolloutConsumer = startConsumer({
      name: 'agents_worker.rollout',
      amqpUrl: configuration.amqpUrl,
      queue: queueNames.agentsWorkerRollout,
      handle: createRolloutRouter({ workflows: rollouts, acceptance }),
      logger,
      onFatal,
    });
    const sweeper = startSweepSchedule({
      client,
      taskQueue,
      intervalSeconds: configuration.sweepIntervalSeconds,
      build,
      logger,
      onFatal,
    });
    const announcements = build ? [startBuildAnnouncement({ pool, build, logger, onFatal })] : [];
    parts.push(...hosts.parts, control, worker, consumer, agentConsumer, rolloutConsumer, sweeper, namespaceWatch);
    parts.push(...announcements);
    const stop = async (): Promise<void> => {
      await hosts.leave();
      await Promise.all([
        hosts.untilNothingStarts(),
        consumer.stop(),
        agentConsumer.stop(),
        rolloutConsumer.stop(),
        sweeper.stop(),
        namespaceWatch.stop(),
        ...announcements.map((announcement) => announcement.stop()),
      ]);
      await worker.stop();
      const abandoned = Promise.all([...stepsOfHosts.values()].map((steps) => steps.end()));
      await Promise.all([within(hostLimits.abandonedMs, abandoned), control.stop(), hosts.stop()]);
    };
    try {
      await Promise.all(everyRuntime.map((runtime) => runtime.watch(reportExit)));
    } catch (error) {
      await stop();
      throw error;
    }
    return stop;
  };
  const begun = startAfter(claim.made, startParts, onFatal);

  const health = await serveHealth({
    host: configuration.healthHost,
    port: configuration.agentsWorkerHealthPort,
    setting: 'AGENTS_WORKER_HEALTH_PORT',
    parts,
  });
  return {
    healthPort: health.port,
    ready: async () => {
      await begun.done;
      await untilReady(parts);
    },
    stop: async () => {
      stopping.abort();
      await Promise.all([claim.stop(), begun.stop()]);
      await closeAll(everyRuntime.map((runtime) => runtime.close()));
      await closeAll([pool.end(), hostPool.end(), connection.close(), health.close()]);
    },
  };
}

function toIdlePart({ name, health: { ready, lastError = 'it is not ready yet.' } }: Part): string[] {
  return ready ? [] : [`${name} of the worker is not at work: ${lastError}`];
}
