import type { Effect } from './decide.ts';
import type { InstanceEvent, InstanceState } from './state.ts';

/** The effects that are taken as activities. */
export type StepEffect = Exclude<Effect, { type: 'wait' | 'complete' }>;

export interface StepInput<Step extends StepEffect = StepEffect> {
  instanceId: string;
  /** What the workflow knows. It holds no config, so that no config enters a history. */
  state: InstanceState;
  effect: Step;
  /** True: only this step is taken, because another one of the instance is under way. */
  alone?: true;
}

/**
 * The activities of an instance, one for each effect. Each takes its step and goes on with the steps that follow from it, as far as
 * `decide` leads to another step that its worker can take at once (`activities/take-steps.ts`).
 *
 * Resolves with everything that happened, in order, for `evolve`.
 *
 * @throws ApplicationFailure whose type is a `ProvisioningFailureCode` when the instance cannot run
 */
export type InstanceActivities = {
  [Type in StepEffect['type']]: (input: StepInput<Extract<StepEffect, { type: Type }>>) => Promise<InstanceEvent[]>;
};

/** The activities of the task queue of a host, whose workers carry them out for the agents there. */
export type HostActivities = Pick<InstanceActivities, 'provision' | 'cleanUp'>;

/** The activities of the task queue that all workers share. */
export type SharedActivities = Omit<InstanceActivities, keyof HostActivities>;

export interface SweepActivities {
  sweep(): Promise<SweepResult>;
}

/** What a sweep compares on the task queue of a host. */
export interface HostSweepActivities {
  sweepHost(): Promise<HostSweepResult>;
}

/** Instances signalled by a sweep, by kind of drift. */
export interface SweepResult {
  /** The desired generation of the row was not observed for a while. */
  rowsNotObserved: number;
  /** A row has no running workflow: its workflow was never started, or was terminated. */
  rowsWithoutWorkflow: number;
  /** A workflow runs whose row is gone. */
  workflowsWithoutRow: number;
  /** An instance is placed on a host and has neither row nor workflow. */
  placementsWithoutOwner: number;
  /** A row says that its agent is not published, although it is published by now. */
  rowsAwaitingPublishedAgent: number;
  /** A row names a host, and its instance is placed nowhere, as after a backup was restored. */
  rowsWithoutPlacement: number;
  /** An instance may run although its agent was retired with a drain. */
  rowsOfDrainedAgent: number;
  /** An agent has a rollout that has not ended, and no workflow drives it. */
  rolloutsWithoutWorkflow?: number;
  /** The hosts that are there to be swept. Absent in the answer of a worker from before there were hosts. */
  hostIds?: string[];
}

export interface HostSweepResult {
  /** The host holds something of an instance that is placed elsewhere or nowhere. */
  strayAgents: number;
  /** A row says `running` of an instance of this host, and the host does not hold its agent. */
  rowsWithoutRuntime: number;
  /**
   * The host holds another generation than the row says, or holds an agent although the row says `stopped` or `failed`, or has said
   * `pending` for a while without a reason.
   */
  rowsUnlikeRuntime: number;
}
