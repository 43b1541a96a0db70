import { cancellationSignal, Context, heartbeat } from '@temporalio/activity';
import type { ClientOptions, WorkflowClientInterceptor } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import pRetry from 'p-retry';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, vi, type ProvidedContext } from 'vitest';
import { createHostActivities, createSharedActivities, type Take } from '../../activities/create-activities.ts';
import { isAtRest } from '../../activities/gate/is-at-rest.ts';
import type { HostSteps } from '../../activities/steps.ts';
import { takeSteps } from '../../activities/take-steps.ts';
import { withHandover } from '../../activities/with-handover.ts';
import { toMessage } from '../../bridge/signals/instance-router.ts';
import { watchAcceptance } from '../../bridge/signals/acceptance.ts';
import { createInstanceWorkflows, type InstanceWorkflows } from '../../bridge/signals/instance-workflows.ts';
import { untilAccepted } from '../../bridge/signals/until-accepted.ts';
import { hostTaskQueue, instanceWorkflowId } from '../../contracts/names.ts';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';
import { unheardDecisions } from '../../replay/decision-sinks.ts';
import type { Run } from '../../replay/fetch-histories.ts';
import { instanceMessageSignal, type InstanceMessage } from '../../workflows/messages.ts';
import * as attributes from '../../workflows/search-attributes.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { createFakeHostSteps, createFakeInstance, createFakeRowSteps, type FakeInstance } from './fake-instance.ts';
import { hostIds } from './instance-fleet.ts';
import { neverRestart } from './instance-events.ts';
import { replayRuns } from './replay.ts';
import { asIncoming } from './row-model.ts';

const taskQueue = 'test';
/** Limit in real time: skipped time takes next to none of it. */
const untilTimeoutMs = 40_000;

type ClientSettings = Omit<ClientOptions, 'namespace' | 'connection'>;

interface EngineOptions {
  /** The server. Where it is missing, the tests of the file are skipped, and say why. */
  program: ProvidedContext['temporalPrograms']['dev'];
  open: (path: string, client: ClientSettings) => Promise<TestWorkflowEnvironment>;
  /** Makes a bundle of workflow code, and returns its path; left out: the code as it is. */
  bundle?: () => Promise<string>;
}

/** Temporal's dev server, with these settings of its dynamic configuration. The time-skipping one lacks many. */
export function openDevServer(...settings: string[]): EngineOptions['open'] {
  return (path, client) =>
    TestWorkflowEnvironment.createLocal({
      client,
      server: {
        executable: { type: 'existing-path', path },
        searchAttributes: Object.values(attributes),
        extraArgs: settings.flatMap((setting) => ['--dynamic-config-value', setting]),
      },
    });
}

/**
 * The workflow on a server of the test file's own, with activities that act on instances in memory. After a test its
 * instances are deleted, which must end their workflows, and every run is replayed.
 */
export function useEngine({ program, open, bundle }: EngineOptions) {
  let workflowBundle = '';
  let environment: TestWorkflowEnvironment;
  const workers = new Map<string, { worker: Worker; ended: Promise<void> }>();
  let workflows: InstanceWorkflows;
  const instances = new Map<string, FakeInstance>();
  const runs = new Map<string, Run>();

  beforeAll(async () => {
    if ('missing' in program) return;
    installQuietRuntime();
    workflowBundle = await (bundle?.() ?? inject('workflowBundle'));
    // The SDK gives a server five seconds to start, which is not enough on a busy machine.
    environment = await pRetry(() => open(program.path, noteRuns(runs)), {
      retries: 9,
      minTimeout: 500,
      maxTimeout: 2_000,
      // Files that begin at the same moment must not get in each other's way again and again.
      randomize: true,
    });
    await startWorker(taskQueue, {
      workflowBundle: { codePath: workflowBundle },
      activities: { ...createSharedActivities(take) },
    });
    for (const hostId of hostIds)
      await startWorker(hostTaskQueue(taskQueue, hostId), { activities: { ...createHostActivities(take) } });
    workflows = createInstanceWorkflows({ client: environment.client, taskQueue });
  });

  beforeEach(({ skip }) => {
    if ('missing' in program) skip(program.missing);
  });

  afterEach(async () => {
    for (const instance of instances.values()) await end(instance);
    await replayRuns(environment.client, runs.values(), workflowBundle);
    runs.clear();
    instances.clear();
  });

  afterAll(async () => {
    await Promise.all([...workers.keys()].map(stopWorker));
    await environment?.teardown();
  });

  const startWorker = async (queue: string, own: Partial<WorkerOptions>): Promise<void> => {
    const worker = await Worker.create({
      sinks: unheardDecisions,
      ...own,
      connection: environment.nativeConnection,
      taskQueue: queue,
      maxHeartbeatThrottleInterval: '100 milliseconds',
      shutdownForceTime: '5 seconds',
    });
    workers.set(queue, { worker, ended: worker.run() });
  };
  const stopWorker = async (queue: string): Promise<void> => {
    const stopping = workers.get(queue);
    workers.delete(queue);
    stopping?.worker.shutdown();
    await stopping?.ended;
  };

  const find = (instanceId: string): FakeInstance => {
    const found = instances.get(instanceId);
    if (!found) throw new Error(`no instance ${instanceId}`);
    return found;
  };
  const rowSteps = createFakeRowSteps(find);
  const hostSteps = new Map<string, HostSteps>();
  /** Each worker that was killed was another one. */
  const hostStepsOf = (hostId: string, worker: string): HostSteps => {
    const key = `${hostId} ${worker}`;
    const steps = hostSteps.get(key) ?? withHandover(createFakeHostSteps(find, hostId));
    hostSteps.set(key, steps);
    return steps;
  };
  const take: Take = async (input) => {
    const instance = find(input.instanceId);
    const { id, killed } = instance;
    const isAlive = () => instance.killed === killed;
    const events = await takeSteps(
      input,
      { rowSteps, hostSteps: (hostId) => hostStepsOf(hostId, `${id} ${killed}`) },
      { signal: cancellationSignal(), heartbeat: () => isAlive() && heartbeat() },
    );
    // The answer of a killed worker never comes.
    if (!isAlive()) await Context.current().cancelled;
    return events;
  };
  /** By deletion, as in life. */
  const end = async (instance: FakeInstance): Promise<void> => {
    instance.before = {};
    const { hostId } = instance.fleet.placement() ?? {};
    for (const index of hostIds.keys()) instance.fleet.recover(index);
    // The watch of the fleet would say so.
    if (hostId !== undefined) await engine.tell(instance, { type: 'hostBack', hostId });
    if (instance.rows.row()) {
      instance.rows.remove();
      await engine.announce(instance);
    }
    await handle(instance).result();
    expect(instance.agent).toBeUndefined();
  };
  const handle = ({ id }: FakeInstance) => environment.client.workflow.getHandle(instanceWorkflowId(id));

  const engine = {
    create: (): FakeInstance => {
      const instance = createFakeInstance();
      instances.set(instance.id, instance);
      return instance;
    },
    handle,
    /** Tells of events of the instance's log, by sequence, each in a signal of its own; without a sequence, of the last. */
    announce: async (instance: FakeInstance, ...sequences: number[]): Promise<void> => {
      for (const sequence of sequences.length > 0 ? sequences : [instance.rows.log.length]) {
        const event = instance.rows.log[sequence - 1];
        if (!event) throw new Error(`no event ${sequence}`);
        const incoming = asIncoming(instance.id, event);
        const message = toMessage(incoming);
        if (!message) continue;
        await untilAccepted({
          call: () => workflows.signalOrStart(instance.id, message, incoming.metadata.instance),
          acceptance: watchAcceptance({ namespace: 'default', logger: pino({ level: 'silent' }) }),
          signal: AbortSignal.timeout(30_000),
        });
      }
    },
    /** As the runtime, the router of agent events or a person does. */
    tell: (instance: FakeInstance, message: InstanceMessage) => handle(instance).signal(instanceMessageSignal, message),
    state: (instance: FakeInstance) => handle(instance).query(instanceStateQuery),
    /** The activities that have not ended. */
    stepsUnderWay: async (instance: FakeInstance): Promise<unknown[]> =>
      ((await handle(instance).describe()).raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name),
    /** Lets the server's time pass at once. */
    skip: (durationMs: number) => environment.sleep(durationMs),
    /** Lets time pass until the expectation holds. */
    until: async (expectation: () => void | Promise<void>): Promise<void> => {
      for (const deadline = Date.now() + untilTimeoutMs; ; await environment.sleep('1 second')) {
        try {
          return await expectation();
        } catch (error) {
          if (Date.now() > deadline) throw error;
        }
      }
    },
    /** An instance whose agent runs. */
    createRunning: async (restart: Partial<RestartPolicy> = {}): Promise<FakeInstance> => {
      const instance = engine.create();
      instance.definition = { retired: false, restart: { ...neverRestart, ...restart } };
      instance.rows.insert();
      await engine.announce(instance);
      await engine.until(() => expect(instance.rows.row()?.status).toBe('running'));
      await engine.untilAtRest(instance);
      return instance;
    },
    /**
     * Waits until no step of the workflow is under way. A row is written before the step that wrote it is over. The history says it, because
     * the time-skipping server does not describe workflow tasks.
     */
    untilAtRest: (instance: FakeInstance): Promise<void> =>
      vi.waitFor(async () => expect(isAtRest(await handle(instance).fetchHistory())).toBe(true), {
        timeout: untilTimeoutMs,
        interval: 20,
      }),
    /** At rest, because a run that is terminated in mid-step holds up the clock of the time-skipping server for good. */
    terminate: async (instance: FakeInstance): Promise<void> => {
      await engine.untilAtRest(instance);
      await handle(instance).terminate();
    },
    /** Runs that were signaled; those that they continued as are not among them. */
    runs: () => [...runs.values()],
  };
  return engine;
}

/** Records every run that is signaled. */
function noteRuns(runs: Map<string, Run>): ClientSettings {
  const signalWithStart: WorkflowClientInterceptor['signalWithStart'] = async (input, next) => {
    const runId = await next(input);
    const { workflowId } = input.options;
    runs.set(runId, { workflowId, runId });
    return runId;
  };
  return { interceptors: { workflow: [{ signalWithStart }] } };
}

const installed = globalThis as { quietEngine?: true };

/**
 * Tests make activities fail on purpose, so that only errors that break the worker are logged. This is done once for all test files
 * of a process.
 */
function installQuietRuntime(): void {
  if (installed.quietEngine) return;
  installed.quietEngine = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
}
