import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { findActiveRollout, readRolloutFacts, type ActiveRollout } from '../database/rollouts/facts.ts';
import {
  beginRollback,
  completeRollout,
  judgeMoved,
  moveWave,
  recordRollout,
  revertWave,
} from '../database/rollouts/steps.ts';
import { readyTimeoutOf } from '../runtimes/registry.ts';
import type { RolloutActivities } from '../workflows/rollouts/activities.ts';
import { decide } from '../workflows/rollouts/decide.ts';
import type { RolloutFacts } from '../workflows/rollouts/facts.ts';

export interface RolloutActivityDependencies {
  pool: Pool;
  /** Interval at which rows are looked at. */
  pollMs?: number;
  /** Time after which a long activity ends, so that the next one begins on a worker that is there. */
  longestMs?: number;
}

interface Reading {
  rollout: ActiveRollout;
  facts: RolloutFacts;
}

/** The activities of rollouts, for the shared task queue. */
export function createRolloutActivities({
  pool,
  pollMs = 1_000,
  longestMs = 10 * 60_000,
}: RolloutActivityDependencies): RolloutActivities {
  const read = async (agentId: string): Promise<Reading | null> => {
    heartbeat();
    const rollout = await findActiveRollout(pool, agentId, readyTimeoutOf);
    if (!rollout) return null;
    await judgeMoved(pool, rollout.id, rollout.strategy);
    const facts = await readRolloutFacts(pool, rollout);
    return facts ? { rollout, facts } : null;
  };

  /**
   * Reads, and acts if `act` says so, until it does not or time is over. A worker that stops ends this at once, and the workflow goes on
   * with another one.
   */
  const repeat = async (
    agentId: string,
    forMs: number,
    act: (reading: Reading) => Promise<boolean>,
  ): Promise<RolloutFacts | null> => {
    const signal = cancellationSignal();
    const end = performance.now() + forMs;
    for (;;) {
      const reading = await read(agentId);
      if (!reading || signal.aborted || performance.now() >= end || !(await act(reading)))
        return reading?.facts ?? null;
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
  };

  /** Takes one step of the rollout, if it is still the active one, and reads what it led to. */
  const step = async (
    { agentId, rolloutId }: { agentId: string; rolloutId: string },
    act: (rollout: ActiveRollout) => Promise<void>,
  ): Promise<RolloutFacts | null> => {
    const rollout = await findActiveRollout(pool, agentId, readyTimeoutOf);
    if (rollout?.id === rolloutId) await act(rollout);
    return (await read(agentId))?.facts ?? null;
  };

  return {
    readRollout: async ({ agentId }) => (await read(agentId))?.facts ?? null,

    watchRollout: ({ agentId }) => repeat(agentId, longestMs, async ({ facts }) => decide(facts).type === 'watch'),

    moveWave: ({ agentId, rolloutId, wave }) =>
      repeat(agentId, 60_000, async ({ rollout, facts }) => {
        const effect = decide(facts);
        if (rollout.id !== rolloutId || effect.type !== 'moveWave' || effect.wave !== wave) return false;
        await moveWave(pool, rollout, { ...effect, maxParallel: facts.limits.maxParallel });
        return true;
      }),

    recordRollout: ({ agentId, rolloutId, ...change }) =>
      step({ agentId, rolloutId }, ({ id }) => recordRollout(pool, id, change)),

    beginRollback: ({ reason, withdraws, ...input }) =>
      step(input, ({ id }) => beginRollback(pool, id, { reason, withdraws })),

    revertRollout: ({ agentId, rolloutId }) =>
      repeat(agentId, longestMs, async ({ rollout, facts }) => {
        if (rollout.id !== rolloutId || decide(facts).type !== 'revert') return false;
        const { maxParallel } = facts.limits;
        await revertWave(pool, rolloutId, {
          maxParallel,
          healthyDeadlineSeconds: rollout.strategy.healthyDeadlineSeconds,
        });
        return true;
      }),

    completeRollout: (input) => step(input, ({ id }) => completeRollout(pool, id)),
  };
}
