import type { Pool } from 'pg';
import type { DeploymentReason } from '../../contracts/names.ts';
import { recordDeploymentInstances } from '../../database/deployments/steps.ts';
import type { DeploymentMemory } from '../../workflows/deployments/facts.ts';
import { isInCohort } from './cohort.ts';
import type { OpenRun, ProbeResult } from './dependencies.ts';
import { readHeldWorkflows } from './held-instances.ts';
import { createRowJudge } from './judge-rows.ts';
import type { Reading } from './read-facts.ts';
import { collectRuns, findingsOf, instanceIdOf, listFirst } from './runs.ts';

/** A busy worker may need some time for an answer, and a lost one never answers. */
const longestSilenceMs = 30_000;

/** Looks at the instances that a candidate carries, again and again: probes their workflows, and reads their rows. */
export function watchCandidate(pool: Pool) {
  const probes = createProbes();
  const rows = createRowJudge(pool);
  const stopping = new AbortController();
  let passes = 0;
  let passing: Promise<void> | undefined;

  return {
    /** @returns why the candidate is to be taken back */
    look: async (now: Reading, ramps: DeploymentMemory['ramps']): Promise<DeploymentReason | undefined> => {
      const held = await readHeldWorkflows(pool, now.row.id);
      // After the promotion, every instance is probed once, and then those of which something is heard.
      if (!passing && !(passes > 0 && now.facts.status === 'promoted')) {
        passing = probes.pass(now, held, stopping.signal).finally(() => {
          passes += 1;
          passing = undefined;
        });
        passing.catch(() => undefined);
      }
      return probes.judge(now) ?? (await rows.judge(now, { held, ramps }));
    },

    /** Whether every instance was probed, and none is unsettled that was so when this was asked first. */
    isDecided: async (now: Reading): Promise<boolean> =>
      passes > 0 && (await rows.isDecided(now, await readHeldWorkflows(pool, now.row.id))),

    /** Writes down which instances the candidate cannot carry on. */
    record: async ({ row }: Reading): Promise<void> => {
      for (const by of ['task', 'probe'] as const) {
        const messages = [...probes.failed].flatMap(([id, found]) =>
          found.by === by ? [[id, found.message] as const] : [],
        );
        await recordDeploymentInstances(pool, row.id, `${by}_failed`, findingsOf(messages));
      }
    },

    close: async (): Promise<void> => {
      stopping.abort();
      await passing?.catch(() => undefined);
    },
  };
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
    judge: ({ row, facts }: Reading): DeploymentReason | undefined => {
      if (failed.size > row.strategy.maxFailures) {
        const messages = [...failed].map(
          ([id, { message }]) => [instanceIdOf({ workflowId: id }) ?? id, message] as const,
        );
        return {
          code: 'task_failures',
          message: `The build ${row.buildId} cannot carry ${failed.size} runs on. ${listFirst(messages)}`,
        };
      }
      // Its gate may keep its workers busy.
      if (facts.status === 'checking') return undefined;
      if (silentSince === undefined || performance.now() - silentSince < longestSilenceMs) return undefined;
      return {
        code: 'candidate_lost',
        message: `No worker of the build ${row.buildId} has answered for ${longestSilenceMs / 1_000} s: ${silent} probes are unanswered.`,
      };
    },
  };
}
