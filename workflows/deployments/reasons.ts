import type { DeploymentReason } from '../../contracts/names.ts';
import type { DeploymentFacts } from './facts.ts';

/** Why a deployment has its status, in whole sentences with numbers and names. */

export function candidateAbsent({ buildId, missing, limits }: DeploymentFacts): DeploymentReason {
  return {
    code: 'candidate_absent',
    message:
      `The build ${buildId} has no workers on ${listed(missing.candidate)} after ${limits.pollersDeadlineSeconds} s. ` +
      'Start agents_worker of this build wherever the current one runs, and request the deployment again.',
  };
}

export function candidateLost({ buildId, missing }: DeploymentFacts): DeploymentReason {
  return {
    code: 'candidate_lost',
    message: `The build ${buildId} has no workers any more on ${listed(missing.candidate)}.`,
  };
}

export function previousAbsent(facts: DeploymentFacts): DeploymentReason {
  return {
    code: 'previous_absent',
    message:
      `The deployment cannot be rolled back: the build ${previousOf(facts)} has no workers on ${listed(facts.missing.previous)}. ` +
      'Start agents_worker of this build. The rollback then goes on by itself.',
  };
}

export function alreadyCurrent({ buildId }: DeploymentFacts): DeploymentReason {
  return { code: 'already_current', message: `The build ${buildId} is the current one already.` };
}

export function foreignChange({ routing, deploymentName }: DeploymentFacts): DeploymentReason {
  const { stranger = '', currentBuildId, rampingBuildId, percentage } = routing;
  const ramp = rampingBuildId === null ? 'nothing ramps' : `${rampingBuildId} ramps at ${rounded(percentage)} %`;
  return {
    code: 'foreign_change',
    message:
      `Somebody else changed the routing of ${deploymentName} at Temporal: ${stranger}. Now ${currentBuildId ?? 'no build'} is current, and ` +
      `${ramp}. Nothing more is changed. Resume the deployment to set its own routing again, or abort it or roll it back.`,
  };
}

export function noProgress({ limits }: DeploymentFacts, what: string, refusal?: string): DeploymentReason {
  const because = refusal === undefined ? '' : ` Temporal says: ${refusal}`;
  return { code: 'no_progress', message: `${what} within ${limits.progressDeadlineSeconds} s.${because}` };
}

export function awaitingPromotion({ percentage, limits }: DeploymentFacts): DeploymentReason {
  const next = limits.steps.at(-1) ?? 100;
  return {
    code: 'awaiting_promotion',
    message: `The candidate serves ${percentage} % of the instances, and all is well. It gets ${next} % once the deployment is promoted.`,
  };
}

export function pausedByPerson({ percentage }: DeploymentFacts): DeploymentReason {
  return {
    code: 'paused',
    message: `The deployment was paused: the candidate keeps ${percentage} % of the instances until it is resumed.`,
  };
}

export function abortedByPerson(): DeploymentReason {
  return { code: 'aborted', message: 'The deployment was aborted.' };
}

export function rollbackRequested(): DeploymentReason {
  return { code: 'rollback_requested', message: 'A person asked for the rollback.' };
}

export function invalidStrategy(message: string): DeploymentReason {
  return { code: 'invalid_strategy', message };
}

function previousOf({ previousBuildId }: DeploymentFacts): string {
  return previousBuildId ?? 'without a version';
}

/** The server has percentages as 32-bit floats. */
function rounded(percentage: number): number {
  return Math.round(percentage * 1_000) / 1_000;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'any task queue' : names.join(', ');
}
