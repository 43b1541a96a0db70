import type { DeploymentReason } from '../../contracts/names.ts';
import { recordDeploymentInstances } from '../../database/deployments/steps.ts';
import type { DeploymentActivities } from '../../workflows/deployments/activities.ts';
import { isInCohort } from './cohort.ts';
import type { DeploymentActivityDependencies, OpenRun, ProbeResult } from './dependencies.ts';
import { readHeldWorkflows } from './held-instances.ts';
import { createRowJudge } from './judge-rows.ts';
import type { Reading } from './read-facts.ts';
import { repeat } from './repeat.ts';
import { collectRuns, findingsOf, instanceIdOf, listFirst } from './runs.ts';

type ObserveCandidate = DeploymentActivities['observeCandidate'];

/** A busy worker may need some time for an answer, and a lost one never answers. */
const longestSilenceMs = 30_000;

/** Probes the instances of the candidate again and again, and compares them with the others, until time is over or too many fail. */
export function createObserveCandidate(dependencies: DeploymentActivityDependencies): ObserveCandidate {
  const { pool } = dependencies;

  return async (step) => {
    const began = performance.now();
    const probes = createProbes();
    const rows = createRowJudge(pool);
    let failure: DeploymentReason | undefined;
    let isOver = false;
    let passes = 0;
    let passing: Promise<void> | undefined;
    const stopping = new AbortController();
    try {
      const reading = await repeat(dependencies, step, 'observe', async (now) => {
        // After the promotion, every instance is probed once, and then those of which something is heard.
        const held = await readHeldWorkflows(pool, now.row.id);
        if (!passing && !(passes > 0 && now.facts.status === 'promoted')) {
          passing = probes.pass(now, held, stopping.signal).finally(() => {
            passes += 1;
            passing = undefined;
          });
          passing.catch(() => undefined);
        }
        failure = probes.judge(now) ?? (await rows.judge(now, { held, ramps: step.memory.ramps }));
        if (failure) return 'done';
        const isTimeOver = passes > 0 && performance.now() - began >= step.forSeconds * 1_000;
        isOver = isTimeOver && (await rows.isDecided(now, held));
        return isOver ? 'done' : 'goOn';
      });
      if (failure && reading) await record(reading, probes.failed);
      return { facts: reading?.facts ?? null, isOver, ...(failure && { failure }) };
    } finally {
      stopping.abort();
      await passing?.catch(() => undefined);
    }
  };

  async function record({ row }: Reading, failed: ReadonlyMap<string, FailedProbe>): Promise<void> {
    for (const by of ['task', 'probe'] as const) {
      const messages = [...failed].flatMap(([id, found]) => (found.by === by ? [[id, found.message] as const] : []));
      await recordDeploymentInstances(pool, row.id, `${by}_failed`, findingsOf(messages));
    }
  }
}

type FailedProbe = Extract<ProbeResult, { outcome: 'failed' }>;

function createProbes() {
  const failed = new Map<string, FailedProbe>();
  let silentSince: number | undefined;
  let silent = 0;

  const onResult = ({ workflowId }: OpenRun, result: ProbeResult): void => {
    switch (result.outcome) {
      case 'failed':
        failed.set(workflowId, result);
        silentSince = undefined;
        return;
      case 'answered':
        failed.delete(workflowId);
        silentSince = undefined;
        silent = 0;
        return;
      case 'gone':
        failed.delete(workflowId);
        return;
      // Its step is judged by its row.
      case 'underWay':
        return;
      case 'silent':
        silent += 1;
        silentSince ??= performance.now();
    }
  };

  return {
    failed,
    pass: async ({ row, facts, server }: Reading, held: ReadonlySet<string>, signal: AbortSignal): Promise<void> => {
      const percentage = facts.status === 'promoted' ? 100 : facts.percentage;
      const runs = await collectRuns(server.listRuns());
      await server.probeRuns({
        runs: runs.filter(({ workflowId }) => isInCohort(workflowId, percentage) && !held.has(workflowId)),
        perSecond: row.strategy.probePerSecond,
        signal,
        onResult,
      });
    },
    judge: ({ row }: Reading): DeploymentReason | undefined => {
      if (failed.size > row.strategy.maxFailures) {
        const messages = [...failed].map(
          ([id, { message }]) => [instanceIdOf({ workflowId: id }) ?? id, message] as const,
        );
        return {
          code: 'task_failures',
          message: `The build ${row.buildId} cannot carry ${failed.size} runs on. ${listFirst(messages)}`,
        };
      }
      if (silentSince === undefined || performance.now() - silentSince < longestSilenceMs) return undefined;
      return {
        code: 'candidate_lost',
        message: `No worker of the build ${row.buildId} has answered for ${longestSilenceMs / 1_000} s: ${silent} probes are unanswered.`,
      };
    },
  };
}
