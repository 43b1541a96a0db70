import { describe, expect, test } from 'vitest';
import { decide, type RolloutEffect } from '../../../workflows/rollouts/decide.ts';
import type { RolloutFacts, RolloutLimits } from '../../../workflows/rollouts/facts.ts';

const limits: RolloutLimits = {
  canary: 2,
  maxParallel: 10,
  maxFailures: 5,
  progressDeadlineSeconds: 600,
  pauseBetweenWavesSeconds: 0,
  autoPromote: true,
  autoRollback: true,
};

/** A rollout to 100 instances, which has just been requested. */
const requested: RolloutFacts = {
  rolloutId: '8a1f0d3c-6b52-4e0f-9a57-2c4d8e6f1b30',
  sequence: 1,
  version: '2',
  status: 'requested',
  desiredState: 'running',
  promoted: false,
  agentRetired: false,
  versionWithdrawn: false,
  limits,
  wave: 0,
  isPastCanary: false,
  total: 100,
  moved: 0,
  healthy: 0,
  failed: 0,
  forgiven: 0,
  reverted: 0,
  awaited: 0,
  excused: 0,
  out: 0,
  judged: 0,
  targets: { judged: 100, fitCanary: 100, others: 0 },
  toRevert: 0,
  notBack: 0,
  secondsSinceProgress: 1,
  secondsSinceWave: 1,
  troubled: [],
};

const inCanary: RolloutFacts = {
  ...requested,
  status: 'progressing',
  wave: 1,
  moved: 2,
  awaited: 2,
  out: 2,
  judged: 2,
  targets: { judged: 98, fitCanary: 98, others: 0 },
};
const afterCanary: RolloutFacts = { ...inCanary, awaited: 0, out: 0, healthy: 2 };
const inWave: RolloutFacts = {
  ...afterCanary,
  wave: 2,
  isPastCanary: true,
  moved: 12,
  awaited: 10,
  out: 10,
  judged: 12,
  targets: { judged: 88, fitCanary: 0, others: 0 },
};
const afterWave: RolloutFacts = { ...inWave, awaited: 0, out: 0, healthy: 12 };
const rollingBack: RolloutFacts = {
  ...inWave,
  status: 'rolling_back',
  reason: { code: 'too_many_failures', message: 'Because.' },
  toRevert: 3,
};
const none = { judged: 0, fitCanary: 0, others: 0 };
const manual = { limits: { ...limits, autoPromote: false } };
const held = { limits: { ...limits, autoRollback: false } };

/** The part of an effect that the table names. */
function outline(effect: RolloutEffect): string {
  switch (effect.type) {
    case 'moveWave':
      return `move wave ${effect.wave}, ${effect.limit}${effect.isCanary ? ', canary' : ''}`;
    case 'record':
      return `${effect.status}${effect.reason ? `, ${effect.reason.code}` : ''}${effect.holds ? ', holds' : ''}`;
    case 'beginRollback':
      return `roll back, ${effect.reason.code}${effect.withdraws ? ', withdraws' : ''}`;
    default:
      return effect.type;
  }
}

type Row = [facts: RolloutFacts, changes: Partial<RolloutFacts>, next: string];

describe.each<[what: string, table: Row[]]>([
  [
    'the canary',
    [
      [requested, {}, 'move wave 1, 2, canary'],
      [requested, { limits: { ...limits, maxParallel: 1 } }, 'move wave 1, 1, canary'],
      [requested, { targets: { judged: 100, fitCanary: 1, others: 0 } }, 'move wave 1, 1, canary'],
      // Where nothing fits the canary, it is chosen from all.
      [requested, { targets: { judged: 100, fitCanary: 0, others: 0 } }, 'move wave 1, 2, canary'],
      [requested, { targets: { judged: 1, fitCanary: 0, others: 9 } }, 'move wave 1, 1, canary'],
      [inCanary, {}, 'watch'],
      [inCanary, { awaited: 1, healthy: 1, out: 1 }, 'watch'],
      [inCanary, { failed: 1, awaited: 1 }, 'roll back, canary_failed, withdraws'],
      [inCanary, { failed: 1, awaited: 0, healthy: 1 }, 'roll back, canary_failed, withdraws'],
      [inCanary, { failed: 1, awaited: 1, ...held }, 'paused, canary_failed, holds'],
      // One was left to its user, and another one takes its place.
      [inCanary, { judged: 1, awaited: 0, healthy: 1, out: 0 }, 'move wave 2, 1, canary'],
      [inCanary, { judged: 0, awaited: 0, out: 0 }, 'move wave 2, 2, canary'],
      // A canary that cannot say anything holds the rollout up.
      [inCanary, { awaited: 0, excused: 2 }, 'watch'],
      [inCanary, { awaited: 0, excused: 2, secondsSinceProgress: 601 }, 'roll back, no_progress, withdraws'],
      [inCanary, { awaited: 0, excused: 1, healthy: 1, out: 1 }, 'move wave 2, 9'],
      [afterCanary, {}, 'move wave 2, 10'],
      [afterCanary, { failed: 1, healthy: 1 }, 'roll back, canary_failed, withdraws'],
    ],
  ],
  [
    'promotion',
    [
      [afterCanary, manual, 'paused, awaiting_promotion'],
      [afterCanary, { ...manual, status: 'paused', reason: { code: 'awaiting_promotion', message: '' } }, 'watch'],
      [
        afterCanary,
        { ...manual, status: 'paused', reason: { code: 'paused', message: '' } },
        'paused, awaiting_promotion',
      ],
      [afterCanary, { ...manual, promoted: true }, 'move wave 2, 10'],
      [afterCanary, { ...manual, targets: none }, 'paused, awaiting_promotion'],
      [{ ...requested, ...manual, targets: none, total: 0 }, {}, 'complete'],
      [
        afterCanary,
        { ...manual, status: 'paused', reason: { code: 'awaiting_promotion', message: '' }, failed: 1, healthy: 1 },
        'roll back, canary_failed, withdraws',
      ],
    ],
  ],
  [
    'waves',
    [
      [inWave, {}, 'watch'],
      [inWave, { failed: 5, awaited: 5 }, 'watch'],
      [inWave, { failed: 6, awaited: 4 }, 'roll back, too_many_failures, withdraws'],
      [inWave, { failed: 6, awaited: 4, ...held }, 'paused, too_many_failures, holds'],
      [inWave, { failed: 6, awaited: 4, forgiven: 1 }, 'watch'],
      [inWave, { failed: 2, awaited: 10, healthy: 0 }, 'roll back, too_many_failures, withdraws'],
      [afterWave, {}, 'move wave 3, 10'],
      [afterWave, { failed: 3, out: 3 }, 'move wave 3, 7'],
      // Failures take the places of others for good.
      [afterWave, { failed: 5, out: 10 }, 'watch'],
      [afterWave, { failed: 5, out: 10, secondsSinceProgress: 601 }, 'roll back, no_progress, withdraws'],
      [inWave, { secondsSinceProgress: 601 }, 'roll back, no_progress, withdraws'],
      [inWave, { secondsSinceProgress: 601, ...held }, 'paused, no_progress, holds'],
      [afterWave, { limits: { ...limits, pauseBetweenWavesSeconds: 60 }, secondsSinceWave: 59 }, 'watch'],
      [afterWave, { limits: { ...limits, pauseBetweenWavesSeconds: 60 }, secondsSinceWave: 60 }, 'move wave 3, 10'],
      [inWave, { limits: { ...limits, pauseBetweenWavesSeconds: 60 }, secondsSinceProgress: 601 }, 'watch'],
      [afterWave, { limits: { ...limits, maxParallel: 5_000 } }, 'move wave 3, 500'],
      [afterWave, { targets: { judged: 0, fitCanary: 0, others: 3 } }, 'move wave 3, 10'],
      [afterWave, { targets: none }, 'complete'],
      [afterWave, { targets: none, excused: 2, out: 2 }, 'complete'],
      [{ ...requested, targets: none, total: 0 }, {}, 'complete'],
      [requested, { targets: { judged: 0, fitCanary: 0, others: 9 } }, 'move wave 1, 10'],
      // Instances that say nothing were moved, and then one is there that does.
      [afterWave, { healthy: 0, judged: 0, targets: { judged: 1, fitCanary: 1, others: 0 } }, 'move wave 3, 1, canary'],
    ],
  ],
  [
    'what people want',
    [
      [requested, { desiredState: 'paused' }, 'paused, paused'],
      [inWave, { desiredState: 'paused' }, 'paused, paused'],
      [inWave, { desiredState: 'paused', status: 'paused', reason: { code: 'paused', message: '' } }, 'watch'],
      [inWave, { desiredState: 'paused', status: 'paused', reason: { code: 'no_progress', message: '' } }, 'watch'],
      [
        afterWave,
        { desiredState: 'paused', status: 'paused', reason: { code: 'awaiting_promotion', message: '' } },
        'paused, paused',
      ],
      [inWave, { desiredState: 'paused', secondsSinceProgress: 601 }, 'paused, paused'],
      [inWave, { desiredState: 'paused', failed: 6, awaited: 4 }, 'roll back, too_many_failures, withdraws'],
      [inWave, { status: 'paused', reason: { code: 'paused', message: '' } }, 'progressing'],
      [afterWave, { status: 'paused', reason: { code: 'paused', message: '' } }, 'move wave 3, 10'],
      [requested, { desiredState: 'aborted' }, 'aborted, aborted'],
      [inWave, { desiredState: 'aborted' }, 'roll back, aborted'],
      [requested, { desiredState: 'superseded' }, 'superseded, superseded'],
      [inWave, { desiredState: 'superseded', failed: 9 }, 'superseded, superseded'],
      [inCanary, { failed: 2, awaited: 0, forgiven: 2, out: 2 }, 'move wave 2, 8'],
    ],
  ],
  [
    'what stands against it',
    [
      [requested, { problem: 'No.' }, 'refused, invalid_strategy'],
      [inWave, { agentRetired: true, desiredState: 'aborted' }, 'aborted, agent_retired'],
      [requested, { versionWithdrawn: true }, 'refused, version_withdrawn'],
      [inWave, { versionWithdrawn: true }, 'roll back, version_withdrawn'],
    ],
  ],
  [
    'a rollback',
    [
      [rollingBack, {}, 'revert'],
      [rollingBack, { toRevert: 0, notBack: 1 }, 'revert'],
      [rollingBack, { toRevert: 0 }, 'rolled_back, too_many_failures'],
      [rollingBack, { toRevert: 0, reason: { code: 'aborted', message: '' } }, 'aborted, aborted'],
      [
        rollingBack,
        { toRevert: 0, reason: { code: 'version_withdrawn', message: '' } },
        'rolled_back, version_withdrawn',
      ],
      [rollingBack, { agentRetired: true }, 'aborted, agent_retired'],
      [rollingBack, { desiredState: 'superseded' }, 'revert'],
    ],
  ],
])('%s', (_, table) => {
  test.each(table.map(([facts, changes, next]) => ({ facts, changes, next })))(
    '$changes: $next',
    ({ facts, changes, next }) => {
      expect(outline(decide({ ...facts, ...changes }))).toBe(next);
    },
  );
});

test('the reason of a rollback names numbers and the first instances that failed', () => {
  const troubled = ['a', 'b', 'c'].map((instanceId) => ({ instanceId, message: 'It ended with code 1.' }));
  const effect = decide({ ...inWave, failed: 6, awaited: 4, troubled });
  expect(effect).toMatchObject({
    reason: {
      message:
        '6 of the 12 moved instances failed, and at most 5 may. a: It ended with code 1. b: It ended with code 1. ' +
        'c: It ended with code 1. And 3 more.',
    },
  });
});
