import { expect, test } from 'vitest';
import { InvalidStrategy, resolveStrategy, rolloutStrategy } from '../../../contracts/rollout-strategy.ts';

test('an empty strategy has every default, and its deadlines fit the version', () => {
  expect(resolveStrategy({}, 30)).toEqual({
    canary: { amount: { count: 1 }, matching: {}, onePerUser: false },
    maxParallel: { percent: 10 },
    maxFailures: { percent: 5 },
    minHealthySeconds: 30,
    healthyDeadlineSeconds: 150,
    progressDeadlineSeconds: 600,
    pauseBetweenWavesSeconds: 0,
    autoPromote: true,
    autoRollback: true,
  });
  expect(resolveStrategy({}, 3_600)).toMatchObject({ healthyDeadlineSeconds: 3_720, progressDeadlineSeconds: 3_720 });
  expect(resolveStrategy({ min_healthy_seconds: 1_000 }, 30)).toMatchObject({
    healthyDeadlineSeconds: 1_120,
    progressDeadlineSeconds: 1_120,
  });
});

test('a whole strategy is taken as it is', () => {
  const given = {
    canary: { percent: 2.5, matching: { ring: 'beta' }, one_per_user: true },
    max_parallel: { count: 3 },
    min_healthy_seconds: 1,
    healthy_deadline_seconds: 5,
    progress_deadline_seconds: 10,
    max_failures: { count: 0 },
    pause_between_waves_seconds: 60,
    auto_promote: false,
    auto_rollback: false,
    on_new_version: 'supersede',
  };
  expect(rolloutStrategy.parse(given)).toEqual(given);
  expect(resolveStrategy(given, 30)).toEqual({
    canary: { amount: { percent: 2.5 }, matching: { ring: 'beta' }, onePerUser: true },
    maxParallel: { count: 3 },
    maxFailures: { count: 0 },
    minHealthySeconds: 1,
    healthyDeadlineSeconds: 5,
    progressDeadlineSeconds: 10,
    pauseBetweenWavesSeconds: 60,
    autoPromote: false,
    autoRollback: false,
  });
  expect(resolveStrategy({ canary: { one_per_user: true } }, 30).canary.amount).toEqual({ count: 1 });
});

test.each<[what: string, strategy: unknown, says: RegExp]>([
  ['a canary over 100 %', { canary: { percent: 101 } }, /A percentage is at most 100: there are no more instances/],
  ['a canary of nothing', { canary: { percent: 0 } }, /A percentage is at least 1\./],
  [
    'a canary of count and percentage',
    { canary: { count: 1, percent: 1 } },
    /Either a count or a percentage, not both\./,
  ],
  ['failures without a number', { max_failures: {} }, /Either a count or a percentage\./],
  ['half an instance', { canary: { count: 0.5 } }, /A count is a whole number\./],
  ['a canary that matches a text', { canary: { matching: 'beta' } }, /expected object/],
  ['nobody at the same time', { max_parallel: { count: 0 } }, /A count is at least 1 here\./],
  ['everybody and more at the same time', { max_parallel: { percent: 200 } }, /at most 100/],
  ['negative failures', { max_failures: { count: -1 } }, /A count is at least 0 here\./],
  ['a number alone', { max_parallel: 3 }, /Either {"count": n} with a whole number from 1 on, or {"percent": p}/],
  ['a time of a month and more', { min_healthy_seconds: 2_592_001 }, /A time is at most 30 days/],
  ['a negative time', { min_healthy_seconds: -1 }, /A time here is at least 0 s\./],
  [
    'a deadline before the health',
    { min_healthy_seconds: 60, healthy_deadline_seconds: 60 },
    /min_healthy_seconds, which is 60/,
  ],
  [
    'a deadline before the default of the health',
    { healthy_deadline_seconds: 30 },
    /min_healthy_seconds, which is 30: the deadline/,
  ],
  [
    'progress faster than one instance',
    { healthy_deadline_seconds: 100, progress_deadline_seconds: 99 },
    /progress_deadline_seconds is 99, but a single instance may take healthy_deadline_seconds, which is 100/,
  ],
  ['progress faster than the default', { progress_deadline_seconds: 149 }, /healthy_deadline_seconds, which is 150/],
  ['another word for a newer version', { on_new_version: 'replace' }, /Either "supersede" or "queue"\./],
  ['a field that nobody knows', { canaries: 1 }, /canaries/],
  ['a list', [], /expected object/],
])('a strategy with %s is refused with its sentence', (_, strategy, says) => {
  expect(() => resolveStrategy(strategy, 30)).toThrow(InvalidStrategy);
  expect(() => resolveStrategy(strategy, 30)).toThrow(says);
});
