import {
  CancellationScope,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { RolloutStatus } from '../../contracts/names.ts';
import { rolloutStatusAttribute } from '../search-attributes.ts';
import type { RolloutActivities } from './activities.ts';
import { decide, type RolloutEffect } from './decide.ts';
import { describeRollout } from './describe-rollout.ts';
import type { RolloutFacts } from './facts.ts';
import { rolloutChangedSignal } from './messages.ts';

const retry = { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' } as const;
const shortOptions = { startToCloseTimeout: '5 minutes', heartbeatTimeout: '15 seconds', retry } as const;
const longOptions = { startToCloseTimeout: '15 minutes', heartbeatTimeout: '15 seconds', retry } as const;

/** In events. Nothing is handed on to the next run, because the rows say everything. */
const longestHistory = 1_000;

/** Pause before a step that is the same as the one before it, which did not get the rollout any further. */
const repeatMs = 1_000;

export interface RolloutWorkflowInput {
  agentId: string;
}

/**
 * Drives the rollouts of one agent, one after the other, until none is left. Each step reads the rows and returns them, so that a run
 * that was terminated, or whose rows were restored, goes on where the rows are.
 *
 * A request to cancel the workflow changes nothing, because the desired state is in the row alone.
 */
export async function rolloutWorkflow(input: RolloutWorkflowInput): Promise<void> {
  return CancellationScope.nonCancellable(() => drive(input));
}

async function drive({ agentId }: RolloutWorkflowInput): Promise<void> {
  let isNews = false;
  setHandler(rolloutChangedSignal, () => {
    isNews = true;
  });
  let facts: RolloutFacts | null = null;
  let before: string | undefined;
  for (;;) {
    if (!facts) {
      isNews = false;
      facts = await read({ agentId });
    }
    if (!facts) {
      if (isNews) continue;
      return;
    }
    if (workflowInfo().historyLength > longestHistory) return continueAsNew<typeof rolloutWorkflow>({ agentId });
    const effect = decide(facts);
    show(facts, effect);
    const step = `${facts.rolloutId} ${JSON.stringify(effect)}`;
    if (step === before && effect.type !== 'watch') await sleep(repeatMs);
    before = step;
    const next = await take(effect, agentId, facts);
    if (next?.rolloutId !== facts.rolloutId) showEnd(effect);
    facts = next;
  }
}

function read(input: { agentId: string }): Promise<RolloutFacts | null> {
  return activities('Read the rollout', shortOptions).readRollout(input);
}

function take(
  effect: RolloutEffect,
  agentId: string,
  { rolloutId, sequence }: RolloutFacts,
): Promise<RolloutFacts | null> {
  const rollout = { agentId, rolloutId };
  switch (effect.type) {
    case 'watch':
      return activities('Watch the moved instances', longOptions).watchRollout({ agentId });
    case 'moveWave': {
      const { wave } = effect;
      return activities(`Move wave ${wave}`, shortOptions).moveWave({ ...rollout, wave });
    }
    case 'record': {
      const { type: _, ...input } = effect;
      return activities(`Record ${effect.status}`, shortOptions).recordRollout({ ...rollout, ...input, sequence });
    }
    case 'beginRollback': {
      const { reason, withdraws } = effect;
      return activities('Begin the rollback', shortOptions).beginRollback({ ...rollout, reason, withdraws });
    }
    case 'revert':
      return activities('Give instances their versions back', longOptions).revertRollout(rollout);
    case 'complete':
      return activities('Complete the rollout', shortOptions).completeRollout(rollout);
  }
}

function activities(summary: string, options: ActivityOptions): RolloutActivities {
  return proxyActivities<RolloutActivities>({ ...options, summary });
}

function show(facts: RolloutFacts, effect: RolloutEffect): void {
  setCurrentDetails(describeRollout(facts, effect));
  showStatus(facts.status);
}

/** A rollout that is not active any more has ended by its last step, unless somebody deleted it. */
function showEnd(last: RolloutEffect): void {
  if (last.type === 'record') showStatus(last.status);
  if (last.type === 'complete') showStatus('completed');
}

function showStatus(status: RolloutStatus): void {
  if (workflowInfo().typedSearchAttributes.get(rolloutStatusAttribute) === status) return;
  upsertSearchAttributes([{ key: rolloutStatusAttribute, value: status }]);
}
