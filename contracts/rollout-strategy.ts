import { z } from 'zod';
import { json } from './fields.ts';

const mostSeconds = 30 * 24 * 60 * 60;
const percentage = z
  .number()
  .min(1, 'A percentage is at least 1.')
  .max(100, 'A percentage is at most 100: there are no more instances than all of them.');

function wholeNumber(least: number) {
  return z.int('A count is a whole number.').min(least, `A count is at least ${least} here.`).max(1_000_000);
}

function countOrPercent(least: number) {
  return z
    .strictObject(
      { count: wholeNumber(least).optional(), percent: percentage.optional() },
      `Either {"count": n} with a whole number from ${least} on, or {"percent": p} with a number from 1 to 100.`,
    )
    .refine(
      (amount) => (amount.count === undefined) !== (amount.percent === undefined),
      'Either a count or a percentage.',
    );
}

function seconds(least: number) {
  return z
    .number()
    .min(least, `A time here is at least ${least} s.`)
    .max(mostSeconds, 'A time is at most 30 days: 2592000 s.');
}

/**
 * How a rollout proceeds: the schema of `rollouts.strategy` and `agents.rollout`. Whether the times fit those of the version is found
 * by `resolveStrategy`.
 */
export const rolloutStrategy = z
  .strictObject({
    /** The instances that are moved first, of which none may fail. Percentages are of all targets, rounded up. */
    canary: z
      .strictObject({
        count: wholeNumber(1).optional(),
        percent: percentage.optional(),
        /** Only instances whose metadata contains this. If there are none, the canary is chosen from all. */
        matching: json('Metadata that an instance of the canary contains.').optional(),
        one_per_user: z.boolean().optional(),
      })
      .refine(
        (canary) => canary.count === undefined || canary.percent === undefined,
        'Either a count or a percentage, not both.',
      )
      .optional(),
    /** The most moved instances that are not healthy at the same time. A percentage is rounded down, to at least 1. */
    max_parallel: countOrPercent(1).optional(),
    /** An instance is healthy once it has run for this long without a restart. */
    min_healthy_seconds: seconds(0).optional(),
    /** An instance that is not healthy by then has failed. */
    healthy_deadline_seconds: seconds(1).optional(),
    /** The rollout fails when no instance has become healthy for this long. */
    progress_deadline_seconds: seconds(1).optional(),
    /** The most moved instances that may fail after the canary. A percentage is rounded down. */
    max_failures: countOrPercent(0).optional(),
    pause_between_waves_seconds: seconds(0).optional(),
    /** False: after the canary, the rollout waits for a person. */
    auto_promote: z.boolean().optional(),
    /** False: a rollout that fails is paused. */
    auto_rollback: z.boolean().optional(),
    /** What happens to an active rollout of the agent. Left out: this rollout is refused as long as one is active. */
    on_new_version: z.enum(['supersede', 'queue'], 'Either "supersede" or "queue".').optional(),
  })
  .superRefine((given, context) => {
    const { healthy_deadline_seconds: deadline, progress_deadline_seconds: progress } = given;
    const minHealthy = given.min_healthy_seconds ?? defaults.minHealthySeconds;
    const contradiction = (field: keyof typeof given, message: string): void => {
      context.addIssue({ code: 'custom', path: [field], message });
    };
    if (deadline !== undefined && deadline < minHealthy + 1) {
      contradiction('healthy_deadline_seconds', tooShortToBeHealthy(deadline, minHealthy));
    }
    if (deadline !== undefined && progress !== undefined && progress < deadline) {
      contradiction('progress_deadline_seconds', tooShortForProgress(progress, deadline));
    }
  });

/** A strategy with every default, in seconds and numbers of instances or percentages. */
export interface ResolvedStrategy {
  canary: { amount: Amount; matching: Record<string, unknown>; onePerUser: boolean };
  maxParallel: Amount;
  maxFailures: Amount;
  minHealthySeconds: number;
  healthyDeadlineSeconds: number;
  progressDeadlineSeconds: number;
  pauseBetweenWavesSeconds: number;
  autoPromote: boolean;
  autoRollback: boolean;
}

export type Amount = { count: number } | { percent: number };

/** The strategy cannot be followed. The message is a whole sentence. */
export class InvalidStrategy extends Error {
  override name = 'InvalidStrategy';
}

const defaults = { minHealthySeconds: 30, progressDeadlineSeconds: 600, secondsToBecomeHealthy: 120 };

/**
 * Validates a strategy and adds its defaults.
 *
 * @param readyTimeoutSeconds the `ready_timeout_seconds` of the version's runtime
 * @throws InvalidStrategy
 */
export function resolveStrategy(given: unknown, readyTimeoutSeconds: number): ResolvedStrategy {
  const parsed = rolloutStrategy.safeParse(given);
  if (!parsed.success) throw new InvalidStrategy(`The strategy is invalid: ${faultsOf(parsed.error)}`);
  const { canary = {}, ...strategy } = parsed.data;
  const minHealthySeconds = strategy.min_healthy_seconds ?? defaults.minHealthySeconds;
  // The agent gets its whole time to become ready, and then some more than it has to run.
  const timeToRun = Math.max(defaults.secondsToBecomeHealthy, minHealthySeconds + 90);
  const healthyDeadlineSeconds = strategy.healthy_deadline_seconds ?? readyTimeoutSeconds + timeToRun;
  const progressDeadlineSeconds =
    strategy.progress_deadline_seconds ?? Math.max(defaults.progressDeadlineSeconds, healthyDeadlineSeconds);
  if (progressDeadlineSeconds < healthyDeadlineSeconds) {
    throw new InvalidStrategy(
      `The strategy is invalid: ${tooShortForProgress(progressDeadlineSeconds, healthyDeadlineSeconds)}`,
    );
  }
  return {
    canary: {
      amount: amountIn(canary) ?? { count: 1 },
      matching: canary.matching ?? {},
      onePerUser: canary.one_per_user ?? false,
    },
    maxParallel: amountIn(strategy.max_parallel ?? {}) ?? { percent: 10 },
    maxFailures: amountIn(strategy.max_failures ?? {}) ?? { percent: 5 },
    minHealthySeconds,
    healthyDeadlineSeconds,
    progressDeadlineSeconds,
    pauseBetweenWavesSeconds: strategy.pause_between_waves_seconds ?? 0,
    autoPromote: strategy.auto_promote ?? true,
    autoRollback: strategy.auto_rollback ?? true,
  };
}

function faultsOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message)).join(' ');
}

function amountIn({
  count,
  percent,
}: {
  count?: number | undefined;
  percent?: number | undefined;
}): Amount | undefined {
  if (count !== undefined) return { count };
  return percent === undefined ? undefined : { percent };
}

function tooShortToBeHealthy(deadline: number, minHealthy: number): string {
  return (
    `healthy_deadline_seconds is ${deadline}, but an instance is healthy only after min_healthy_seconds, which is ${minHealthy}: ` +
    'the deadline has to be at least 1 s longer.'
  );
}

function tooShortForProgress(progress: number, deadline: number): string {
  return (
    `progress_deadline_seconds is ${progress}, but a single instance may take healthy_deadline_seconds, which is ${deadline}: ` +
    'the deadline for progress cannot be shorter.'
  );
}
