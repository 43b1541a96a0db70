import { describe, expect, test } from 'vitest';
import { decide, type DeploymentEffect } from '../../../workflows/deployments/decide.ts';
import type { DeploymentFacts, DeploymentLimits, DeploymentMemory } from '../../../workflows/deployments/facts.ts';

const limits: DeploymentLimits = {
  steps: [1, 10, 100],
  bakeSeconds: 60,
  pollersDeadlineSeconds: 600,
  progressDeadlineSeconds: 1_800,
  rollbackWindowSeconds: 3_600,
  autoPromote: true,
  autoRollback: true,
};

const requested: DeploymentFacts = {
  deploymentId: '3b7f6c1e-2d84-4f0a-8a35-61c0f2f4b9d1',
  sequence: 1,
  deploymentName: 'agents-worker',
  buildId: 'v2',
  previousBuildId: 'v1',
  status: 'requested',
  desiredState: 'running',
  step: 0,
  percentage: 0,
  held: 0,
  resetInstances: 0,
  limits,
  routing: { currentBuildId: 'v1', rampingBuildId: null, percentage: 0 },
  missing: { candidate: [], previous: [] },
  changedAt: '2026-01-01T00:00:00.000Z',
  secondsSinceRequest: 1,
  previousIsDrained: false,
};
const waiting: DeploymentFacts = { ...requested, status: 'waiting' };
const checking: DeploymentFacts = { ...requested, status: 'checking' };
const ramping: DeploymentFacts = {
  ...requested,
  status: 'ramping',
  step: 1,
  percentage: 1,
  routing: { currentBuildId: 'v1', rampingBuildId: 'v2', percentage: 1 },
};
const fullyRamped: DeploymentFacts = {
  ...ramping,
  step: 3,
  percentage: 100,
  routing: { ...ramping.routing, percentage: 100 },
};
const routedToCandidate = { currentBuildId: 'v2', rampingBuildId: null, percentage: 0 };
const promoted: DeploymentFacts = {
  ...fullyRamped,
  status: 'promoted',
  routing: routedToCandidate,
  secondsSincePromotion: 10,
};
const rollingBack: DeploymentFacts = {
  ...ramping,
  status: 'rolling_back',
  reason: { code: 'task_failures', message: 'Two runs do not answer.' },
};
const routedBack = { currentBuildId: 'v1', rampingBuildId: null, percentage: 0 };

const begun: DeploymentMemory = { secondsInStep: 1 };
const checkedAt = (step: number, percentage: number): DeploymentMemory => ({
  ...begun,
  checked: { step, percentage, at: '2026-11-26T12:00:00Z' },
});
const failure = { code: 'task_failures', message: 'Two runs do not answer.' } as const;
const failed: DeploymentMemory = { ...begun, failure };

interface Recorded {
  type: string;
  status?: string;
  code?: string;
  pauses?: true;
}

/** The effect without its sentences. */
function next(facts: DeploymentFacts, memory: DeploymentMemory = begun): Recorded & Partial<DeploymentEffect> {
  const effect = decide(facts, memory);
  if (effect.type !== 'record') return effect;
  const { reason, ...others } = effect;
  return { ...others, ...(reason && { code: reason.code }) };
}

const record = (status: string, others: object = {}) => ({ type: 'record', status, ...others });
const withStranger = (facts: DeploymentFacts): DeploymentFacts => ({
  ...facts,
  routing: { ...facts.routing, stranger: 'somebody' },
});

describe('a candidate', () => {
  test('waits for its workers, and is refused when they do not come', () => {
    expect(next(requested)).toEqual(record('waiting'));
    const absent = { ...waiting, missing: { candidate: ['main (workflow)'], previous: [] } };
    expect(next(absent)).toEqual({ type: 'watch' });
    expect(next({ ...absent, secondsSinceRequest: 601 })).toEqual(record('refused', { code: 'candidate_absent' }));
  });

  test('that is current already is refused', () => {
    const facts = { ...waiting, routing: { ...waiting.routing, currentBuildId: 'v2' } };
    expect(next(facts)).toEqual(record('refused', { code: 'already_current' }));
  });

  test('is checked once nobody else changes the routing, and the build that is current then is the one before it', () => {
    expect(next(withStranger(waiting))).toEqual({ type: 'takeOver' });
    const facts = { ...waiting, routing: { ...waiting.routing, currentBuildId: 'v0' } };
    expect(next(facts)).toEqual(record('checking', { previousBuildId: 'v0' }));
  });

  test('with a strategy that cannot be followed is refused', () => {
    expect(next({ ...requested, problem: 'No.' })).toEqual(record('refused', { code: 'invalid_strategy' }));
  });

  test('is refused when its first check fails, or does not end', () => {
    expect(next(checking)).toEqual({ type: 'check', step: 1 });
    expect(next(checking, { ...begun, failure: { code: 'gate_failed', message: 'No.' } })).toEqual(
      record('refused', { code: 'gate_failed' }),
    );
    expect(next(checking, { secondsInStep: 1_801 })).toEqual(record('refused', { code: 'no_progress' }));
  });
});

describe('a ramp', () => {
  test('is recorded before it is set, and observed after that', () => {
    expect(next(checking, checkedAt(1, 1))).toEqual(record('ramping', { step: 1, percentage: 1 }));
    const recorded = { ...ramping, routing: routedBack };
    expect(next(recorded)).toEqual({ type: 'route', to: 'ramp' });
    expect(next(ramping, { secondsInStep: 20 })).toEqual({ type: 'observe', forSeconds: 40 });
  });

  test('is as large as its step has to be to give the candidate enough instances', () => {
    expect(next(checking, checkedAt(1, 13))).toEqual(record('ramping', { step: 1, percentage: 13 }));
    const large = { ...ramping, percentage: 13, status: 'checking' as const };
    expect(next(large)).toEqual({ type: 'check', step: 3 });
  });

  test('is followed by the check of the next step, and the last one by the promotion', () => {
    expect(next(ramping, { ...begun, baked: 1 })).toEqual(record('checking'));
    expect(next({ ...ramping, status: 'checking' })).toEqual({ type: 'check', step: 2 });
    expect(next(fullyRamped, { ...begun, baked: 3 })).toEqual(record('promoting', { percentage: 100 }));
  });

  test('is not followed by the last step without a person where the strategy says so', () => {
    const facts = {
      ...ramping,
      status: 'checking' as const,
      step: 2,
      percentage: 10,
      limits: { ...limits, autoPromote: false },
    };
    expect(next(facts, checkedAt(3, 100))).toEqual(record('paused', { code: 'awaiting_promotion' }));
    const paused = {
      ...facts,
      status: 'paused' as const,
      reason: { code: 'awaiting_promotion' as const, message: '' },
    };
    expect(next(paused)).toEqual({ type: 'observe', forSeconds: 1_800 });
    expect(next({ ...paused, desiredState: 'promoted' })).toEqual(record('ramping'));
    const promoting = { ...ramping, step: 2, percentage: 10, desiredState: 'promoted' as const };
    expect(next({ ...promoting, routing: { ...ramping.routing, percentage: 10 } })).toEqual(
      record('promoting', { percentage: 100 }),
    );
  });

  test.each([
    ['fails', ramping, failed, 'task_failures'],
    [
      'has no workers any more',
      { ...ramping, missing: { candidate: ['main'], previous: [] } },
      begun,
      'candidate_lost',
    ],
    ['is never probed to the end', ramping, { secondsInStep: 1_861 }, 'no_progress'],
  ] as const)('whose candidate %s is taken back, or paused where the strategy says so', (_, facts, memory, code) => {
    expect(next(facts, memory)).toEqual(record('rolling_back', { code }));
    const careful = { ...facts, limits: { ...limits, autoRollback: false } };
    expect(next(careful, memory)).toEqual(record('paused', { code, pauses: true }));
  });

  test('that a stranger changed is paused, and taken over again when a person resumes it', () => {
    const changed = withStranger({ ...ramping, routing: routedBack });
    expect(next(changed)).toEqual(record('paused', { code: 'foreign_change', pauses: true }));
    const paused = {
      ...changed,
      status: 'paused' as const,
      desiredState: 'paused' as const,
      reason: { code: 'foreign_change' as const, message: '' },
    };
    expect(next(paused)).toEqual({ type: 'watch' });
    expect(next({ ...paused, desiredState: 'running' })).toEqual({ type: 'takeOver' });
    expect(next({ ...paused, desiredState: 'running', routing: routedBack })).toEqual(record('ramping'));
    expect(next({ ...paused, desiredState: 'aborted' })).toMatchObject(record('rolling_back', { code: 'aborted' }));
  });
});

describe('a promotion', () => {
  const promoting: DeploymentFacts = { ...fullyRamped, status: 'promoting' };

  test('is recorded once the candidate is current', () => {
    expect(next(promoting)).toEqual({ type: 'route', to: 'candidate' });
    expect(next({ ...promoting, routing: routedToCandidate })).toEqual(record('promoted', { percentage: 100 }));
  });

  test('is not made without workers', () => {
    expect(next({ ...promoting, missing: { candidate: ['main'], previous: [] } })).toEqual(
      record('rolling_back', { code: 'candidate_lost' }),
    );
  });

  test('is watched as long as it can be taken back', () => {
    expect(next(promoted)).toEqual({ type: 'observe', forSeconds: 3_590 });
    expect(next(promoted, failed)).toEqual(record('rolling_back', { code: 'task_failures' }));
    expect(next({ ...promoted, secondsSincePromotion: 3_601 }, failed)).toEqual({ type: 'watch' });
    expect(next({ ...promoted, desiredState: 'rolled_back' })).toEqual(
      record('rolling_back', { code: 'rollback_requested' }),
    );
  });

  test('ends when the build before it is drained and deleted', () => {
    const late = { ...promoted, secondsSincePromotion: 3_601 };
    expect(next(late)).toEqual({ type: 'watch' });
    expect(next({ ...late, previousIsDrained: true })).toEqual({ type: 'retire' });
    expect(next({ ...late, previousIsDrained: true }, { ...begun, isRetired: true })).toEqual(record('drained'));
    expect(next({ ...late, previousBuildId: null })).toEqual({ type: 'retire' });
  });

  test('that a stranger undid is paused, and made again when a person resumes it', () => {
    const changed = withStranger({ ...promoted, routing: routedBack });
    expect(next(changed)).toEqual(record('paused', { code: 'foreign_change', pauses: true }));
    const resumed = {
      ...changed,
      status: 'paused' as const,
      reason: { code: 'foreign_change' as const, message: '' },
    };
    expect(next(resumed)).toEqual({ type: 'takeOver' });
    expect(next({ ...resumed, routing: routedBack })).toEqual({ type: 'route', to: 'candidate' });
    expect(next({ ...resumed, routing: routedToCandidate })).toEqual(record('promoted'));
  });

  test('from workers without a build is never taken back by itself, because they get nothing back', () => {
    expect(next({ ...promoted, previousBuildId: null }, failed)).toEqual(
      record('paused', { code: 'task_failures', pauses: true }),
    );
  });
});

describe('a rollback', () => {
  test('routes to the build before, heals, and ends', () => {
    expect(next(rollingBack)).toEqual({ type: 'route', to: 'previous' });
    const routed = { ...rollingBack, routing: routedBack };
    expect(next(routed)).toEqual({ type: 'heal' });
    expect(next(routed, { ...begun, isHealed: true })).toEqual(record('rolled_back', { code: 'task_failures' }));
  });

  test('that a person wants is one at once where the candidate has nothing yet', () => {
    expect(next({ ...checking, desiredState: 'aborted' })).toEqual(record('aborted', { code: 'aborted' }));
    expect(next({ ...waiting, desiredState: 'rolled_back' })).toEqual(
      record('rolled_back', { code: 'rollback_requested' }),
    );
    expect(next({ ...ramping, desiredState: 'aborted' })).toEqual(record('rolling_back', { code: 'aborted' }));
    const aborted = { ...rollingBack, routing: routedBack, reason: { code: 'aborted' as const, message: '' } };
    expect(next(aborted, { ...begun, isHealed: true })).toEqual(record('aborted', { code: 'aborted' }));
  });

  test('waits for workers of the build before it, says so, and goes on with its own reason', () => {
    const absent = { ...rollingBack, missing: { candidate: [], previous: ['main'] } };
    expect(next(absent)).toEqual(record('paused', { code: 'previous_absent' }));
    const paused = {
      ...absent,
      status: 'paused' as const,
      reason: { code: 'previous_absent' as const, message: '' },
    };
    const memory = { ...begun, rollbackReason: failure };
    expect(next(paused, memory)).toEqual({ type: 'watch' });
    expect(next({ ...paused, missing: { candidate: [], previous: [] } }, memory)).toEqual(
      record('rolling_back', { code: 'task_failures' }),
    );
  });

  test('takes the routing over where a stranger left the candidate in it', () => {
    expect(next(withStranger(rollingBack))).toEqual({ type: 'takeOver' });
    expect(next(withStranger({ ...rollingBack, routing: routedBack }))).toEqual({ type: 'heal' });
  });

  test('that does not heal all runs is paused, and tried again when a person resumes it', () => {
    const routed = { ...rollingBack, routing: routedBack };
    const unhealed = { ...begun, failure: { code: 'heal_failed', message: '' } } as const;
    expect(next(routed, unhealed)).toEqual(record('paused', { code: 'heal_failed', pauses: true }));
    const paused = {
      ...routed,
      status: 'paused' as const,
      desiredState: 'paused' as const,
      reason: unhealed.failure,
    };
    expect(next(paused)).toEqual({ type: 'watch' });
    expect(next({ ...paused, desiredState: 'running' }, { ...begun, rollbackReason: failure })).toEqual(
      record('rolling_back', { code: 'task_failures' }),
    );
  });
});

describe('a person', () => {
  test('pauses the ramp, which is watched on, and resumes it', () => {
    expect(next({ ...ramping, desiredState: 'paused' })).toEqual(record('paused', { code: 'paused' }));
    const paused = {
      ...ramping,
      status: 'paused' as const,
      desiredState: 'paused' as const,
      reason: { code: 'paused' as const, message: '' },
    };
    expect(next(paused)).toEqual({ type: 'observe', forSeconds: 1_800 });
    expect(next(paused, failed)).toEqual(record('rolling_back', { code: 'task_failures' }));
    expect(next({ ...paused, desiredState: 'running' })).toEqual(record('ramping'));
    expect(next({ ...paused, percentage: 0 })).toEqual({ type: 'watch' });
    expect(next({ ...paused, percentage: 0, desiredState: 'running' })).toEqual(record('waiting'));
  });

  test('promotes a candidate before its ramp is over, but not before its check', () => {
    expect(next({ ...ramping, desiredState: 'promoted' })).toEqual(record('promoting', { percentage: 100 }));
    expect(next({ ...checking, desiredState: 'promoted' })).toEqual({ type: 'check', step: 1 });
    expect(next({ ...checking, desiredState: 'promoted' }, checkedAt(1, 1))).toEqual(
      record('promoting', { percentage: 100 }),
    );
  });
});
