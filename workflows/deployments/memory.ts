import type { DeploymentFacts, DeploymentMemory } from './facts.ts';

/** What a run of the workflow keeps of the deployment, and hands on to the next run. */
export interface Memory extends Omit<DeploymentMemory, 'secondsInStep'> {
  deploymentId: string;
  /** Changes with each change of the status, the step or the reason. */
  stage: string;
  /** By Temporal's clock, in ms. */
  stageBeganAt: number;
}

/** The memory of another deployment is forgotten. */
export function rememberStage(memory: Memory | undefined, facts: DeploymentFacts): Memory {
  const { deploymentId, status, step, reason } = facts;
  const stage = `${status} ${step} ${reason?.code ?? ''}`;
  if (memory?.deploymentId !== deploymentId) {
    return { deploymentId, ramps: rememberRamp([], facts), stage, stageBeganAt: Date.now() };
  }
  if (memory.stage === stage) return memory;
  // A failure led to this stage, and counts anew in the next one.
  const { failure: _, refusal: __, baked, checked, ...others } = memory;
  const isBegun = status === 'ramping' || status === 'paused';
  return {
    ...others,
    ...(baked !== undefined && !isBegun && { baked }),
    ...(checked && status !== 'waiting' && { checked }),
    ramps: rememberRamp(memory.ramps, facts),
    stage,
    stageBeganAt: Date.now(),
  };
}

type Ramps = NonNullable<DeploymentMemory['ramps']>;

/** A ramp that is resumed goes on since it began. */
function rememberRamp(ramps: Ramps = [], { status, percentage, changedAt }: DeploymentFacts): Ramps {
  const isNew = status === 'ramping' && (ramps.at(-1)?.percentage ?? 0) < percentage;
  return isNew ? [...ramps, { percentage, at: changedAt }] : ramps;
}

export function readMemory({ stageBeganAt, ...memory }: Memory): DeploymentMemory {
  return { ...memory, secondsInStep: (Date.now() - stageBeganAt) / 1_000 };
}
