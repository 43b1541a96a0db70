import type { InjectedSinks } from '@temporalio/worker';
import type { Decision, DecisionSinks } from '../workflows/decision-sink.ts';

/** For workers whose decisions nobody asks for. */
export const unheardDecisions: InjectedSinks<DecisionSinks> = {
  decisions: { made: { fn: () => undefined, callDuringReplay: false } },
};

/** Hears every decision that a replay makes. */
export function hearDecisions(onDecision: (decision: Decision) => void): InjectedSinks<DecisionSinks> {
  return {
    decisions: { made: { fn: (_, decision) => onDecision(decision), callDuringReplay: true } },
  };
}
