import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure, cancellationSignal, heartbeat } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { WorkflowBundleOption } from '@temporalio/worker';
import type { Pool } from 'pg';
import { instanceWorkflowId, type BuildOfDeployment } from '../../contracts/names.ts';
import { findMissingMigrations } from '../../database/missing-migrations.ts';
import { checkReplay } from '../../replay/check-replay.ts';
import { hearDecisions } from '../../replay/decision-sinks.ts';
import type { GateActivities, GateRun, ReplayReport } from '../../workflows/gate/activities.ts';
import type { Decision } from '../../workflows/decision-sink.ts';
import { foresee } from './foresee.ts';
import { isAtRest } from './is-at-rest.ts';

export interface GateActivityDependencies {
  client: Client;
  workflowBundle: () => Promise<WorkflowBundleOption>;
  pool: Pool;
  /** Undefined: the worker is unversioned. */
  build: BuildOfDeployment | undefined;
  /** The parts of this process that are not at work, each as a sentence. */
  findIdleParts: () => string[];
}

/** The activities of the gate, for the shared task queue. A gate is pinned to a build, so its own code replays the histories. */
export function createGateActivities({
  client,
  workflowBundle,
  pool,
  build,
  findIdleParts,
}: GateActivityDependencies): GateActivities {
  /**
   * Temporal gives activities of a pinned workflow to the current build until it has registered the workers of the other one, and the
   * answer of the current build would let any candidate pass.
   */
  const requireBuild = (buildId: string): void => {
    if (build?.buildId === buildId) return;
    const own = build ? `the build ${build.buildId}` : 'unversioned';
    throw ApplicationFailure.retryable(`The build ${buildId} has to answer, and this worker is ${own}.`, 'OtherBuild');
  };

  /** A part may have lost its connection a moment ago. */
  const findLastingIdleParts = async (): Promise<string[]> => {
    const end = performance.now() + partsMs;
    for (;;) {
      const idle = findIdleParts();
      if (idle.length === 0 || performance.now() >= end) return idle;
      await delay(partsPollMs, undefined, { signal: cancellationSignal() });
    }
  };

  return {
    replayRuns: async ({ buildId, runs }) => {
      requireBuild(buildId);
      const signal = cancellationSignal();
      const report: ReplayReport = {
        replayed: 0,
        notBegun: 0,
        vanished: 0,
        examined: 0,
        underWay: 0,
        failures: [],
        changes: [],
      };
      let last: Decision | undefined;
      const { replayed, notBegun, vanished } = await checkReplay({
        client,
        workflowBundle: await workflowBundle(),
        runs: untilCancelled(runs, signal),
        worker: { ...undocumentedOptions, sinks: hearDecisions((decision) => (last = decision)) },
        onReplayed: ({ workflowId, runId, history }) => {
          const decision = last;
          last = undefined;
          if (!decision) return;
          if (!isAtRest(history)) {
            report.underWay += 1;
            return;
          }
          report.examined += 1;
          const foreseen = foresee(decision);
          const instanceId = workflowId.slice(instanceWorkflowId('').length);
          if (foreseen) report.changes.push({ workflowId, runId, instanceId, ...foreseen });
        },
        onFailure: ({ workflowId, runId, message }) => {
          last = undefined;
          report.failures.push({ workflowId, runId, message: message.slice(0, longestMessage) });
        },
        onProgress: (counts) => heartbeat(counts),
      });
      signal.throwIfAborted();
      return { ...report, replayed, notBegun, vanished };
    },

    checkCandidate: async ({ buildId }) => {
      requireBuild(buildId);
      const missing = await findMissingMigrations(pool);
      return [
        ...(missing.length === 0
          ? []
          : [
              {
                code: 'migrations_missing' as const,
                message: `The database lacks migrations of this build (${missing.join(', ')}): run \`npm run migrate\` of this build.`,
              },
            ]),
        ...(await findLastingIdleParts()).map((message) => ({ code: 'not_ready' as const, message })),
      ];
    },
  };
}

const partsMs = 10_000;
const partsPollMs = 200;

/** Of the difference that the SDK names. An answer with 200 of them stays below the limits of Temporal. */
const longestMessage = 1_000;

/**
 * By default the SDK replays in the thread of its caller, which would hold up everything else of this process, and leaves hooks in it. No
 * documented option changes this.
 */
const undocumentedOptions: object = {
  debugMode: false,
  workflowThreadPoolSize: 1,
  isolateExecutionTimeout: '60 seconds',
};

function* untilCancelled(runs: readonly GateRun[], signal: AbortSignal): Generator<GateRun> {
  for (const run of runs) {
    if (signal.aborted) return;
    yield run;
  }
}
