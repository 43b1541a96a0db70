import type { RolloutReason } from '../../contracts/names.ts';
import type { RolloutFacts } from './facts.ts';

/** Why a rollout has its status, in whole sentences with numbers and the first instances to look at. */

const mostListed = 3;

export function canaryFailed(facts: RolloutFacts): RolloutReason {
  const { failed, moved } = facts;
  return {
    code: 'canary_failed',
    message: `${failed} of the ${moved} moved instances failed, and in the canary none may. ${listTroubled(facts, failed)}`,
  };
}

export function tooManyFailures(facts: RolloutFacts, allowed: number): RolloutReason {
  const { failed, moved, forgiven } = facts;
  const besides = forgiven > 0 ? ` besides the ${forgiven} that were there when the rollout was resumed` : '';
  return {
    code: 'too_many_failures',
    message: `${failed} of the ${moved} moved instances failed, and at most ${allowed} may${besides}. ${listTroubled(facts, failed)}`,
  };
}

export function noProgress(facts: RolloutFacts): RolloutReason {
  const { moved, out, limits } = facts;
  return {
    code: 'no_progress',
    message: `No instance became healthy for ${limits.progressDeadlineSeconds} s, and ${out} of the ${moved} moved instances do not run. ${listTroubled(facts, out)}`,
  };
}

export function awaitingPromotion({ healthy, moved }: RolloutFacts): RolloutReason {
  return {
    code: 'awaiting_promotion',
    message: `The canary is over: ${healthy} of its ${moved} instances are healthy. The rollout goes on once it is promoted.`,
  };
}

export function pausedByPerson(): RolloutReason {
  return { code: 'paused', message: 'The rollout was paused: no wave begins until it is resumed.' };
}

export function abortedByPerson(): RolloutReason {
  return { code: 'aborted', message: 'The rollout was aborted.' };
}

export function agentRetired({ version, moved }: RolloutFacts): RolloutReason {
  return {
    code: 'agent_retired',
    message: `The agent was retired. The ${moved} moved instances keep the version ${version}.`,
  };
}

export function superseded({ version, moved, total }: RolloutFacts): RolloutReason {
  return {
    code: 'superseded',
    message: `A newer rollout took over when ${moved} of ${total} instances were moved to the version ${version}.`,
  };
}

export function versionWithdrawn({ version }: RolloutFacts): RolloutReason {
  return { code: 'version_withdrawn', message: `The version ${version} was withdrawn.` };
}

export function invalidStrategy(message: string): RolloutReason {
  return { code: 'invalid_strategy', message };
}

function listTroubled({ troubled }: RolloutFacts, count: number): string {
  const listed = troubled.slice(0, mostListed).map(({ instanceId, message }) => `${instanceId}: ${message}`);
  const more = count - listed.length;
  return [...listed, ...(more > 0 && listed.length > 0 ? [`And ${more} more.`] : [])].join(' ');
}
