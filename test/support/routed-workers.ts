import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { instanceWorkflowType } from '../../contracts/names.ts';
import type { Client } from '@temporalio/client';
import { checkReplay } from '../../replay/check-replay.ts';
import type { GateActivities, ReplayReport } from '../../workflows/gate/activities.ts';
import { createOpenRuns } from '../../bridge/deployments/open-runs.ts';
import { createPendingSteps } from '../../bridge/deployments/pending-steps.ts';
import { createPollers } from '../../bridge/deployments/pollers.ts';
import { createRunMender } from '../../bridge/deployments/mend-runs.ts';
import { createWorkerDeployments } from '../../bridge/deployments/worker-deployments.ts';
import { until } from '../../stack/until.ts';
import { loadWorkflowBundle, type WorkflowBundle } from '../../workers/workflow-bundle.ts';

export type RoutedCode = 'good' | 'broken' | 'patched' | 'selective' | 'working';

export interface WorkerOptions {
  taskQueue?: string;
  /** The activity that is the step of some code. */
  work?: () => Promise<void>;
  /** What the gate waits for. */
  beforeReplay?: () => Promise<void>;
}

const bundles = new Map<RoutedCode, Promise<WorkflowBundle>>();

function bundleOf(code: RoutedCode): Promise<WorkflowBundle> {
  let bundle = bundles.get(code);
  if (!bundle) {
    const path = fileURLToPath(new URL(`routed-workflows/${code}.ts`, import.meta.url));
    bundle = loadWorkflowBundle(undefined, path);
    bundles.set(code, bundle);
  }
  return bundle;
}

/** A deployment of its own on a Temporal server, with workers of several builds. */
export function openRoutedDeployment(environment: TestWorkflowEnvironment, options: { taskQueue?: string } = {}) {
  const { client } = environment;
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const queue = options.taskQueue ?? name;
  const named = { client, deploymentName: name, taskQueue: queue };
  const stops = new Map<() => Promise<void>, string | undefined>();

  return {
    name,
    deployments: createWorkerDeployments({ ...named, identity: 'deployer' }),
    stranger: createWorkerDeployments({ ...named, identity: 'stranger' }),
    pollers: createPollers(named),
    runs: createOpenRuns(named),
    steps: createPendingSteps(named),
    mender: createRunMender({ ...named, identity: 'deployer' }),

    /** @param buildId left out: a worker without a version */
    startWorker: async (
      code: RoutedCode,
      buildId?: string,
      { taskQueue = queue, work = nothing, beforeReplay = nothing }: WorkerOptions = {},
    ): Promise<() => Promise<void>> => {
      const worker = await Worker.create({
        connection: environment.nativeConnection,
        taskQueue,
        workflowBundle: await bundleOf(code),
        activities: { nothing, work, ...gateOf(client, await bundleOf(code), beforeReplay) },
        shutdownForceTime: '5 seconds',
        maxConcurrentWorkflowTaskPolls: 2,
        maxConcurrentActivityTaskPolls: 1,
        ...(buildId !== undefined && {
          workerDeploymentOptions: {
            version: { deploymentName: name, buildId },
            useWorkerVersioning: true,
            defaultVersioningBehavior: 'AUTO_UPGRADE' as const,
          },
        }),
      });
      const ended = worker.run();
      const stop = async (): Promise<void> => {
        if (!stops.delete(stop)) return;
        worker.shutdown();
        await ended;
      };
      stops.set(stop, buildId);
      return stop;
    },
    /** Starts runs and waits until each has completed its first workflow task. */
    startRuns: async (
      count: number,
      ids = Array.from({ length: count }, (_, index) => `instance/${name}-${index}`),
    ): Promise<string[]> => {
      await Promise.all(
        ids.map((workflowId) => client.workflow.start(instanceWorkflowType, { workflowId, taskQueue: queue })),
      );
      for (const id of ids) {
        await untilTrue(async () => (await completedTasks(id)).length > 0, `${id} did not begin`);
      }
      return ids;
    },
    step: async (ids: readonly string[]): Promise<void> => {
      await Promise.all(ids.map((id) => client.workflow.getHandle(id).signal('step')));
    },
    /** Waits until each run has taken so many steps with code whose steps are pauses. */
    untilStepped: async (ids: readonly string[], count: number): Promise<void> => {
      for (const id of ids) {
        await untilTrue(async () => {
          const { events } = await client.workflow.getHandle(id).fetchHistory();
          return (events ?? []).filter(({ timerFiredEventAttributes: fired }) => fired).length >= count;
        }, `${id} has not taken ${count} steps`);
      }
    },
    /** The build to which a run is pinned. */
    pinOf: async (id: string): Promise<string | undefined> => {
      const { raw } = await client.workflow.getHandle(id).describe();
      const override = raw.workflowExecutionInfo?.versioningInfo?.versioningOverride;
      return override?.pinned?.version?.buildId ?? undefined;
    },
    /** Waits until the last completed workflow task of each run is one of the build. */
    untilLastOn: async (ids: readonly string[], buildId: string): Promise<void> => {
      for (const id of ids) {
        await untilTrue(async () => (await completedTasks(id)).at(-1) === buildId, `${id} is not on ${buildId}`);
      }
    },
    stopWorkers: async (buildId: string): Promise<void> => {
      await Promise.all([...stops].filter(([, build]) => build === buildId).map(([stop]) => stop()));
    },
    /** Makes runs of the patched build continue as new. */
    renew: async (ids: readonly string[]): Promise<void> => {
      await Promise.all(ids.map((id) => client.workflow.getHandle(id).signal('renew')));
      for (const id of ids) {
        await untilTrue(async () => {
          const [started] = (await client.workflow.getHandle(id).fetchHistory()).events ?? [];
          return Boolean(started?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId);
        }, `${id} has not continued as new`);
      }
    },
    /** Waits until each run holds the marker of a patch, so that no other build replays it. */
    untilPatched: async (ids: readonly string[]): Promise<void> => {
      for (const id of ids) {
        await untilTrue(async () => {
          const { events } = await client.workflow.getHandle(id).fetchHistory();
          return events?.some(({ markerRecordedEventAttributes: marker }) => marker) ?? false;
        }, `${id} holds no marker`);
      }
    },
    completedTasks: (id: string) => completedTasks(id),
    close: async (): Promise<void> => {
      for await (const { workflowId } of client.workflow.list({
        query: `TaskQueue = '${queue}' and ExecutionStatus = 'Running'`,
      })) {
        await client.workflow.getHandle(workflowId).terminate('the test has ended');
      }
      await Promise.all([...stops.keys()].map((stop) => stop()));
    },
  };

  /** The builds of the completed workflow tasks of the current run, in their order. */
  async function completedTasks(id: string): Promise<(string | undefined)[]> {
    const { events } = await client.workflow.getHandle(id).fetchHistory();
    return (events ?? []).flatMap(({ workflowTaskCompletedEventAttributes: task }) =>
      task ? [task.deploymentVersion?.buildId ?? undefined] : [],
    );
  }
}

const nothing = async (): Promise<void> => undefined;

/** The gate of such a build: it replays with the code of the build, and foresees nothing. */
function gateOf(client: Client, workflowBundle: WorkflowBundle, beforeReplay: () => Promise<void>): GateActivities {
  return {
    replayRuns: async ({ runs }) => {
      await beforeReplay();
      const failures: ReplayReport['failures'] = [];
      const { replayed, notBegun, vanished } = await checkReplay({
        client,
        workflowBundle,
        runs,
        onFailure: (failure) => failures.push(failure),
      });
      return { replayed, notBegun, vanished, examined: replayed, underWay: 0, failures, changes: [] };
    },
    checkCandidate: async () => [],
  };
}

export async function untilTrue(isTrue: () => Promise<boolean>, otherwise: string, limitMs = 40_000): Promise<void> {
  if (!(await until(isTrue, limitMs))) throw new Error(otherwise);
}
