import {
  CancellationScope,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { DeploymentActivities, Outcome } from './activities.ts';
import { decide, isRollingBack, type DeploymentEffect } from './decide.ts';
import { describeDeployment } from './describe-deployment.ts';
import type { DeploymentFacts, DeploymentMemory } from './facts.ts';
import { readMemory, rememberStage, type Memory } from './memory.ts';
import { deploymentChangedSignal } from './messages.ts';

const retry = { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' } as const;
const shortOptions = { startToCloseTimeout: '2 minutes', heartbeatTimeout: '60 seconds', retry } as const;
const longOptions = { startToCloseTimeout: '15 minutes', heartbeatTimeout: '20 seconds', retry } as const;
/** To replay or to reset every open run takes long. These limit their own time. */
const wholeOptions = { startToCloseTimeout: '12 hours', heartbeatTimeout: '20 seconds', retry } as const;

/** In events. Only the memory is handed on to the next run, because the rows say everything else. */
const longestHistory = 1_000;

/** Pause before a step that is the same as the one before it, which did not get the deployment any further. */
const repeatMs = 1_000;

export interface DeploymentWorkflowInput {
  deploymentName: string;
  /** What the run before did for the deployment that is active still. */
  memory?: Memory;
}

/**
 * Drives the deployments of one name, one after the other, until none is left. Each step reads the row and the routing and returns them,
 * so that a run that was terminated goes on where they are.
 *
 * A request to cancel the workflow changes nothing, because the desired state is in the row alone.
 */
export async function deploymentWorkflow(input: DeploymentWorkflowInput): Promise<void> {
  return CancellationScope.nonCancellable(() => drive(input));
}

async function drive({ deploymentName, memory: handedOn }: DeploymentWorkflowInput): Promise<void> {
  let isNews = false;
  setHandler(deploymentChangedSignal, () => {
    isNews = true;
  });
  let facts: DeploymentFacts | null = null;
  let memory = handedOn;
  let before: string | undefined;
  for (;;) {
    if (!facts) {
      isNews = false;
      ({ facts } = await activities('Read the deployment', shortOptions).readDeployment({ deploymentName }));
    }
    if (!facts) {
      if (isNews) continue;
      return;
    }
    memory = rememberStage(memory, facts);
    if (workflowInfo().historyLength > longestHistory) {
      return continueAsNew<typeof deploymentWorkflow>({ deploymentName, memory });
    }
    const known = readMemory(memory);
    const effect = decide(facts, known);
    setCurrentDetails(describeDeployment(facts, effect));
    const step = JSON.stringify([facts.deploymentId, { ...effect, forSeconds: 0 }]);
    if (step === before && effect.type !== 'watch') await sleep(repeatMs);
    before = step;
    const { deploymentId } = facts;
    const outcome = await take(effect, { deploymentName, deploymentId }, known, facts);
    memory = { ...memory, ...outcome.learnt };
    facts = outcome.facts;
  }
}

type Learnt = Partial<Memory>;

async function take(
  effect: DeploymentEffect,
  step: { deploymentName: string; deploymentId: string },
  memory: DeploymentMemory,
  facts: DeploymentFacts,
): Promise<Outcome & { learnt?: Learnt }> {
  switch (effect.type) {
    case 'watch':
      return activities('Watch the deployment', longOptions).watchDeployment({ ...step, memory });
    case 'record': {
      const { type: _, ...record } = effect;
      const outcome = await activities(`Record ${effect.status}`, shortOptions).recordDeployment({
        ...step,
        ...record,
        sequence: facts.sequence,
      });
      const begins = effect.status === 'rolling_back' && !isRollingBack(facts);
      return begins && effect.reason ? { ...outcome, learnt: { rollbackReason: effect.reason } } : outcome;
    }
    case 'takeOver':
      return activities('Take the routing over', shortOptions).takeOverRouting(step);
    case 'check': {
      const { passed, ...outcome } = await activities(`Check before step ${effect.step}`, wholeOptions).checkCandidate({
        ...step,
        memory,
        step: effect.step,
      });
      return {
        ...outcome,
        learnt: { ...failureOf(outcome), ...(passed && { checked: { step: effect.step, ...passed } }) },
      };
    }
    case 'route': {
      const { refusal, ...outcome } = await activities(`Route to: ${effect.to}`, shortOptions).routeTasks({
        ...step,
        to: effect.to,
      });
      // The time of a step begins with its ramp.
      return { ...outcome, learnt: refusal === undefined ? { stageBeganAt: Date.now() } : { refusal } };
    }
    case 'observe': {
      const { isOver, ...outcome } = await activities('Observe the candidate', longOptions).observeCandidate({
        ...step,
        memory,
        forSeconds: effect.forSeconds,
      });
      return { ...outcome, learnt: { ...failureOf(outcome), ...(isOver && { baked: facts.step }) } };
    }
    case 'heal': {
      const { isHealed, ...outcome } = await activities('Heal the runs', wholeOptions).healRuns({ ...step, memory });
      return { ...outcome, learnt: { ...failureOf(outcome), isHealed } };
    }
    case 'retire': {
      const { isRetired, ...outcome } = await activities('Delete unused builds', longOptions).retireBuilds({
        ...step,
        memory,
      });
      return { ...outcome, learnt: { isRetired } };
    }
  }
}

function failureOf({ failure }: Outcome): Learnt {
  return failure ? { failure } : {};
}

function activities(summary: string, options: ActivityOptions): DeploymentActivities {
  return proxyActivities<DeploymentActivities>({ ...options, summary });
}
