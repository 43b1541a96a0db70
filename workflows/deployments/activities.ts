import type { DeploymentReason } from '../../contracts/names.ts';
import type { DeploymentEffect, DeploymentTarget } from './decide.ts';
import type { DeploymentFacts, DeploymentMemory } from './facts.ts';

type Of<Type extends DeploymentEffect['type']> = Omit<Extract<DeploymentEffect, { type: Type }>, 'type'>;

/** The deployment that the workflow decided about. If another one is active by then, an activity does nothing. */
export interface DeploymentStep {
  deploymentName: string;
  deploymentId: string;
}

/** A long activity goes on until `decide` says something else about the facts and this memory. */
export interface LongStep extends DeploymentStep {
  memory: DeploymentMemory;
}

/** The facts afterwards; null if no deployment of the name is active any more. */
export interface Outcome {
  facts: DeploymentFacts | null;
  /** Why the candidate is to be taken back, or why that does not succeed. */
  failure?: DeploymentReason;
}

/**
 * The effects of the workflow of a name's deployments. `activities/deployments/` implements them. A repeated effect does nothing twice.
 */
export interface DeploymentActivities {
  readDeployment(input: { deploymentName: string }): Promise<Outcome>;
  /** Reads the facts again and again until they lead to another step, or for some minutes. */
  watchDeployment(input: LongStep): Promise<Outcome>;
  /** Writes nothing if the row has another sequence by then: a person may have changed it since. */
  recordDeployment(input: DeploymentStep & Of<'record'> & { sequence: number }): Promise<Outcome>;
  takeOverRouting(input: DeploymentStep): Promise<Outcome>;
  checkCandidate(input: LongStep & Of<'check'>): Promise<Outcome & { passed?: { percentage: number; at: string } }>;
  /** `refusal`: why the server did not change the routing. */
  routeTasks(input: DeploymentStep & { to: DeploymentTarget }): Promise<Outcome & { refusal?: string }>;
  /** `isOver`: every instance of the candidate was probed, and all the time passed without a failure. */
  observeCandidate(input: LongStep & Of<'observe'>): Promise<Outcome & { isOver: boolean }>;
  healRuns(input: LongStep): Promise<Outcome & { isHealed: boolean }>;
  retireBuilds(input: LongStep): Promise<Outcome & { isRetired: boolean }>;
}
