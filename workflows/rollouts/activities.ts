import type { RolloutEffect } from './decide.ts';
import type { RolloutFacts } from './facts.ts';

type Of<Type extends RolloutEffect['type']> = Extract<RolloutEffect, { type: Type }>;

interface Rollout {
  agentId: string;
  rolloutId: string;
}

/**
 * The effects of the workflow of an agent's rollouts. `activities/` implements them. Each returns the facts of the active rollout as they
 * are afterwards, and null if the agent has none. A repeated effect does nothing twice.
 */
export interface RolloutActivities {
  readRollout(input: { agentId: string }): Promise<RolloutFacts | null>;
  /** Reads the facts again and again until they lead to another step, or for some minutes. */
  watchRollout(input: { agentId: string }): Promise<RolloutFacts | null>;
  /** Moves that wave, or waits for a minute as long as other transactions hold every instance that could be moved. */
  moveWave(input: Rollout & Pick<Of<'moveWave'>, 'wave'>): Promise<RolloutFacts | null>;
  /** Writes nothing if the row has another sequence by then: a person may have changed it since. */
  recordRollout(input: Rollout & Omit<Of<'record'>, 'type'> & { sequence: number }): Promise<RolloutFacts | null>;
  beginRollback(input: Rollout & Omit<Of<'beginRollback'>, 'type'>): Promise<RolloutFacts | null>;
  /** Gives instances their versions back, few at a time, until all run again, or for some minutes. */
  revertRollout(input: Rollout): Promise<RolloutFacts | null>;
  completeRollout(input: Rollout): Promise<RolloutFacts | null>;
}
