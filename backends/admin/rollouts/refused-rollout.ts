import { rolloutRefusalOf, RolloutRefused } from '../../../database/rollouts/request.ts';
import { ProblemError } from '../../http/problem.ts';

const statuses: Readonly<Record<RolloutRefused['code'], number>> = {
  agent_unknown: 404,
  version_unknown: 404,
  agent_retired: 409,
  version_withdrawn: 409,
  rollout_active: 409,
  rollout_ended: 409,
  rollout_ending: 409,
  invalid_strategy: 422,
};

/** @returns the problem of a rollout that is refused; undefined for any other error */
export function refusedRollout(error: unknown): ProblemError | undefined {
  const refused = error instanceof RolloutRefused ? error : rolloutRefusalOf(error);
  return refused && new ProblemError(statuses[refused.code], refused.code, refused.message, { cause: error });
}
