import { deploymentRefusalOf, DeploymentRefused } from '../../../database/deployments/request.ts';
import { ProblemError } from '../../http/problem.ts';

const statuses: Readonly<Record<DeploymentRefused['code'], number>> = {
  deployment_name_unknown: 404,
  deployment_active: 409,
  build_current: 409,
  deployment_ended: 409,
  deployment_ending: 409,
  deployment_promoted: 409,
  no_previous_build: 409,
  previous_build_absent: 409,
  agent_unknown: 422,
  invalid_name: 422,
  invalid_strategy: 422,
  idempotency_key_reused: 422,
};

/** @returns the problem of a deployment that is refused; undefined for any other error */
export function refusedDeployment(error: unknown): ProblemError | undefined {
  const refused = error instanceof DeploymentRefused ? error : deploymentRefusalOf(error);
  return refused && new ProblemError(statuses[refused.code], refused.code, refused.message, { cause: error });
}
