import { z } from 'zod';

const mostSeconds = 30 * 24 * 60 * 60;

function seconds(least: number) {
  return z
    .number('A time is a number of seconds.')
    .min(least, `A time here is at least ${least} s.`)
    .max(mostSeconds, 'A time is at most 30 days: 2592000 s.');
}

function wholeNumber(least: number) {
  return z
    .int('A count is a whole number.')
    .min(least, `A count is at least ${least} here.`)
    .max(1_000_000, 'A count is at most 1000000.');
}

const onOrOff = (otherwise: 'on' | 'off') => z.enum(['on', 'off'], 'Either "on" or "off".').default(otherwise);

const steps = z
  .array(
    z
      .number('A step is a percentage.')
      .min(1, 'A step is at least 1 %.')
      .max(100, 'A step is at most 100 %: there are no more instances than all of them.'),
    'The steps are a list of percentages such as [1, 10, 50, 100].',
  )
  .min(1, 'There has to be at least one step.')
  .max(20, 'There are at most 20 steps.')
  .refine(
    (list) => list.every((step, place) => place === 0 || step > (list[place - 1] ?? 0)),
    'The steps have to rise, as in [1, 10, 50, 100].',
  )
  .refine((list) => list.at(-1) === 100, 'The last step has to be 100.');

/** How a deployment proceeds: the schema of `deployments.strategy`. Every member has a default. */
export const deploymentStrategy = z.strictObject({
  /** Percentages of the instances that the candidate serves, one step after the other. */
  steps: steps.default([1, 10, 50, 100]),
  /** The candidate is watched for this long after each step. */
  bake_seconds: seconds(10).default(300),
  /** The least number of instances that a step gives to the candidate, if there are as many. */
  min_instances: wholeNumber(0).default(1),
  /** The most instances that may fail because of the candidate. */
  max_failures: wholeNumber(0).default(0),
  /** The most queries per second that look whether instances answer on the candidate. */
  probe_per_second: z
    .number('A rate is a number.')
    .min(0.1, 'The rate is at least 0.1 per second.')
    .max(1000, 'The rate is at most 1000 per second.')
    .default(20),
  /** What happens if a history cannot be replayed by the candidate: nothing is deployed, or these instances stay on the previous build. */
  on_break: z.enum(['refuse', 'hold'], 'Either "refuse" or "hold".').default('refuse'),
  /** The most instances that `hold` keeps on the previous build. */
  max_held: wholeNumber(0).default(0),
  /** The most instances that the candidate may restart or stop at their next task. */
  max_restarted: wholeNumber(0).default(0),
  /** `off`: no history is replayed before the first step. */
  gate: onOrOff('on'),
  /** An instance of this agent is started on the candidate before the first step, and deleted. */
  canary_agent_id: z.uuid('An id of an agent is a UUID.').nullable().default(null),
  /** The candidate has to poll every task queue within this time. */
  pollers_deadline_seconds: seconds(1).default(600),
  /** The deployment fails if a step makes no progress for this long. */
  progress_deadline_seconds: seconds(10).default(1800),
  /** After the promotion, the previous build is kept for this long, so that a rollback is possible. */
  rollback_window_seconds: seconds(0).default(3600),
  /** False: the deployment waits for a person before the last step. */
  auto_promote: z.boolean('Either true or false.').default(true),
  /** False: a deployment that fails is paused. */
  auto_rollback: z.boolean('Either true or false.').default(true),
});

type Parsed = z.output<typeof deploymentStrategy>;

/** A strategy with every default, in the names of the code. */
export interface ResolvedDeploymentStrategy {
  /** Rising percentages; the last one is 100. */
  steps: number[];
  bakeSeconds: number;
  minInstances: number;
  maxFailures: number;
  probePerSecond: number;
  onBreak: Parsed['on_break'];
  maxHeld: number;
  maxRestarted: number;
  gate: Parsed['gate'];
  canaryAgentId: string | null;
  pollersDeadlineSeconds: number;
  progressDeadlineSeconds: number;
  rollbackWindowSeconds: number;
  autoPromote: boolean;
  autoRollback: boolean;
}

/** The strategy cannot be followed. The message is a whole sentence. */
export class InvalidDeploymentStrategy extends Error {
  override name = 'InvalidDeploymentStrategy';
}

/**
 * Validates a strategy and adds its defaults.
 *
 * @throws InvalidDeploymentStrategy
 */
export function resolveDeploymentStrategy(given: unknown): ResolvedDeploymentStrategy {
  const parsed = deploymentStrategy.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) =>
      path.length > 0 ? `${path.join('.')}: ${message}` : message,
    );
    throw new InvalidDeploymentStrategy(`The strategy is invalid: ${faults.join(' ')}`);
  }
  const strategy = parsed.data;
  return {
    steps: strategy.steps,
    bakeSeconds: strategy.bake_seconds,
    minInstances: strategy.min_instances,
    maxFailures: strategy.max_failures,
    probePerSecond: strategy.probe_per_second,
    onBreak: strategy.on_break,
    maxHeld: strategy.max_held,
    maxRestarted: strategy.max_restarted,
    gate: strategy.gate,
    canaryAgentId: strategy.canary_agent_id,
    pollersDeadlineSeconds: strategy.pollers_deadline_seconds,
    progressDeadlineSeconds: strategy.progress_deadline_seconds,
    rollbackWindowSeconds: strategy.rollback_window_seconds,
    autoPromote: strategy.auto_promote,
    autoRollback: strategy.auto_rollback,
  };
}
