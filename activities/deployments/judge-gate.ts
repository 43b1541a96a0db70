import type { DeploymentReason } from '../../contracts/names.ts';
import { findHeldInstances } from '../../database/deployments/held.ts';
import { recordDeployment, recordDeploymentInstances } from '../../database/deployments/steps.ts';
import type { ReplayFailure } from '../../workflows/gate/activities.ts';
import type { GateResult } from '../../workflows/gate/gate-workflow.ts';
import { isInCohort } from './cohort.ts';
import type { DeploymentActivityDependencies } from './dependencies.ts';
import type { Reading } from './read-facts.ts';
import { findingsOf, instanceIdOf, listFirst } from './runs.ts';

/**
 * Writes down what the candidate made of the histories, and which instances are to be held because of it.
 *
 * @returns why the candidate does not pass
 */
export async function judgeGate(
  pool: DeploymentActivityDependencies['pool'],
  { row }: Reading,
  results: readonly GateResult[],
): Promise<DeploymentReason | undefined> {
  const failures = results.flatMap((result) => result.failures);
  const changes = results.flatMap((result) => result.changes);
  const problems = results.flatMap((result) => result.problems).map(({ message }) => message);
  const sum = (field: 'replayed' | 'examined') => results.reduce((total, result) => total + result[field], 0);
  const disruptive = changes.filter(({ effect }) => effect === 'restart' || effect === 'stop');
  const effects: Record<string, number> = {};
  for (const { effect } of changes) effects[effect] = (effects[effect] ?? 0) + 1;
  const held = (await findHeldInstances(pool, row.id)).filter(({ deploymentId }) => deploymentId === row.id).length;
  const mayHold = row.strategy.onBreak === 'hold' && row.previousBuildId !== null;
  const isWithinLimit = held + failures.length <= row.strategy.maxHeld;
  const canHold = mayHold && isWithinLimit && failures.every((run) => mayBeHeld(run, row.percentage));

  const judge = (): DeploymentReason | undefined => {
    if (problems.length > 0) return { code: 'candidate_incompatible', message: problems.join(' ') };
    if (failures.length > 0 && !canHold) {
      const bound = mayHold
        ? ` At most ${row.strategy.maxHeld} may be held on the build before, and only instances that the candidate does not carry yet.`
        : '';
      return {
        code: 'gate_failed',
        message:
          `The build ${row.buildId} cannot replay ${failures.length} of ${sum('replayed') + failures.length} histories.${bound} ` +
          listFirst(failures.map(toMessage)),
      };
    }
    if (disruptive.length > row.strategy.maxRestarted) {
      return {
        code: 'blast_radius_exceeded',
        message:
          `The build ${row.buildId} would restart or stop ${disruptive.length} instances at their next task, and at most ` +
          `${row.strategy.maxRestarted} are allowed. ${listFirst(disruptive.map(toMessage))}`,
      };
    }
    return undefined;
  };

  const reason = judge();
  const found = findingsOf(failures.map(toMessage));
  if (!reason && found.length > 0) await recordDeploymentInstances(pool, row.id, 'held', found);
  await recordDeploymentInstances(pool, row.id, 'replay_failed', found, { replaces: true });
  await recordDeploymentInstances(pool, row.id, 'would_change', findingsOf(changes.map(toMessage)), { replaces: true });
  await recordDeployment(pool, row.id, {
    status: 'checking',
    held: reason ? held : held + failures.length,
    gate: {
      replayed: sum('replayed'),
      failed: failures.length,
      problems,
      examples: failures.map(({ workflowId, runId, message }) => ({
        workflow_id: workflowId,
        run_id: runId,
        message,
      })),
    },
    blastRadius: {
      examined: sum('examined'),
      changed: changes.length,
      disruptive: disruptive.length,
      effects,
      examples: changes.map(({ workflowId, effect }) => ({ workflow_id: workflowId, effect })),
    },
  });
  return reason;
}

/** The previous build may be unable to replay what the candidate has carried on. */
function mayBeHeld({ workflowId }: ReplayFailure, percentage: number): boolean {
  return instanceIdOf({ workflowId }) !== undefined && !(percentage > 0 && isInCohort(workflowId, percentage));
}

const toMessage = ({ workflowId, message }: { workflowId: string; message: string }) => [workflowId, message] as const;
