import { cancellationSignal } from '@temporalio/activity';
import { setTimeout as delay } from 'node:timers/promises';
import type { DeploymentReason } from '../../contracts/names.ts';
import { findChangedInstances, readTime } from '../../database/deployments/troubled.ts';
import { decide } from '../../workflows/deployments/decide.ts';
import type { DeploymentActivities } from '../../workflows/deployments/activities.ts';
import type { GateResult } from '../../workflows/gate/gate-workflow.ts';
import { percentageFor } from './cohort.ts';
import type { DeploymentActivityDependencies, OpenRun } from './dependencies.ts';
import { readHeldWorkflows } from './held-instances.ts';
import { judgeGate } from './judge-gate.ts';
import { runCanary } from './run-canary.ts';
import { readFacts, type Reading } from './read-facts.ts';
import { defaults } from './repeat.ts';
import { watchCandidate } from './watch-candidate.ts';
import { batchOf, collectRuns, instanceIdOf, mostRunsOfGate } from './runs.ts';

type CheckCandidate = DeploymentActivities['checkCandidate'];

/** Lets the candidate prove itself on histories: on all before the first step, and then on those of instances that changed. */
export function createCheckCandidate(dependencies: DeploymentActivityDependencies): CheckCandidate {
  const { pool, pollMs = defaults.pollMs } = dependencies;

  return async ({ deploymentName, deploymentId, memory, step }) => {
    const reading = await readFacts(dependencies, deploymentName);
    const isStale = ({ row, facts }: Reading): boolean =>
      row.id !== deploymentId || decide(facts, memory).type !== 'check';
    if (!reading || isStale(reading)) return { facts: reading?.facts ?? null };
    const { row, server } = reading;

    const stopping = new AbortController();
    const signal = AbortSignal.any([stopping.signal, cancellationSignal()]);
    const watch = watchCandidate(pool);
    /** @returns what happens to the candidate meanwhile, which the check may outlast by hours */
    const watchMeanwhile = async (): Promise<DeploymentReason | undefined> => {
      for (;;) {
        await delay(pollMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return undefined;
        const now = await readFacts(dependencies, deploymentName);
        // Whoever pauses or aborts the deployment does not wait for the check.
        if (!now || isStale(now)) return undefined;
        const found = now.facts.percentage > 0 ? await watch.look(now, memory.ramps) : undefined;
        if (!found) continue;
        await watch.record(now);
        return found;
      }
    };
    // Its error is thrown below.
    const watching = watchMeanwhile().finally(() => stopping.abort());
    watching.catch(() => undefined);
    let found: DeploymentReason | undefined;
    let failure: DeploymentReason | undefined;
    let passed: { percentage: number; at: string } | undefined;
    try {
      const at = await readTime(pool);
      const runs = await collectRuns(server.listRuns());
      if (row.strategy.gate === 'on') {
        failure = await runGates(reading, await choose(reading, runs, memory.checked?.at), step, signal);
      }
      if (!failure && !signal.aborted && memory.checked === undefined) failure = await tryCanary(reading, signal);
      if (!failure && !signal.aborted) {
        const held = await readHeldWorkflows(pool, row.id);
        const ids = runs.map(({ workflowId }) => workflowId).filter((id) => !held.has(id) && isOfInstance(id));
        const least = row.strategy.steps[step - 1] ?? 100;
        passed = { percentage: percentageFor(ids, { least, count: row.strategy.minInstances }), at };
      }
    } finally {
      stopping.abort();
      await watch.close();
      found = await watching;
    }
    const facts = (await readFacts(dependencies, deploymentName))?.facts ?? null;
    failure = found ?? failure;
    return { facts, ...(failure && { failure }), ...(passed && { passed }) };
  };

  async function tryCanary({ row, server }: Reading, signal: AbortSignal): Promise<DeploymentReason | undefined> {
    const result = await runCanary({
      pool,
      workflows: server.canaries,
      deploymentId: row.id,
      buildId: row.buildId,
      limitMs: row.strategy.progressDeadlineSeconds * 1_000,
      signal,
    });
    if (result.outcome !== 'failed' || signal.aborted) return undefined;
    return { code: 'canary_failed', message: result.message };
  }

  /** Instances that stay on an earlier build are none of the candidate's business. */
  async function choose({ row }: Reading, runs: OpenRun[], since: string | undefined): Promise<OpenRun[]> {
    const held = await readHeldWorkflows(pool, row.id);
    const changed = since === undefined ? undefined : await findChangedInstances(pool, since);
    return runs.filter((run) => {
      const instanceId = instanceIdOf(run);
      return instanceId === undefined || (!held.has(run.workflowId) && (changed?.has(instanceId) ?? true));
    });
  }

  async function runGates(
    reading: Reading,
    runs: OpenRun[],
    step: number,
    signal: AbortSignal,
  ): Promise<DeploymentReason | undefined> {
    const { row, server } = reading;
    const results: GateResult[] = [];
    for (let begin = 0; begin === 0 || begin < runs.length; begin += mostRunsOfGate) {
      const result = await server.runGate({
        deploymentId: row.id,
        batch: batchOf(step, begin),
        buildId: row.buildId,
        runs: runs.slice(begin, begin + mostRunsOfGate),
        checksCandidate: begin === 0 && step === 1,
        limitSeconds: row.strategy.progressDeadlineSeconds,
        signal,
      });
      if (signal.aborted) return undefined;
      if (!result) {
        return {
          code: 'gate_failed',
          message:
            `The build ${row.buildId} did not finish its gate within ${row.strategy.progressDeadlineSeconds} s. ` +
            'Its workers have to poll, and must not fail.',
        };
      }
      results.push(result);
    }
    return judgeGate(pool, reading, results);
  }
}

function isOfInstance(workflowId: string): boolean {
  return instanceIdOf({ workflowId }) !== undefined;
}
