import { InvalidArgumentError, Option, type Command } from 'commander';
import { z } from 'zod';
import { CommandError, exitCodes } from './command-error.ts';
import { parseJson, readJsonFile } from './json-file.ts';
import { parseTime } from './wait.ts';

export interface StrategyOptions {
  strategy?: string;
  canary?: Amount;
  canaryMatching?: object;
  canaryOnePerUser?: true;
  maxParallel?: Amount;
  maxFailures?: Amount;
  minHealthy?: number;
  healthyDeadline?: number;
  progressDeadline?: number;
  pauseBetweenWaves?: number;
  autoPromote: boolean;
  autoRollback: boolean;
  onNewVersion?: string;
}

type Amount = { count: number } | { percent: number };

/** Adds the members of a strategy as options. The database keeps them, so that their limits are told in one place. */
export function addStrategyOptions(command: Command): Command {
  return command
    .option('--strategy <file>', 'strategy as a JSON file; the options below count more')
    .option('--canary <n|p%>', 'instances that are moved first (default: 1)', parseAmount)
    .option('--canary-matching <json>', 'only instances whose metadata contains this', parseObject)
    .option('--canary-one-per-user', 'at most one instance of each user in the canary')
    .option('--max-parallel <n|p%>', 'instances that are out at the same time (default: 10%)', parseAmount)
    .option('--max-failures <n|p%>', 'instances that may fail after the canary (default: 5%)', parseAmount)
    .option('--min-healthy <seconds>', 'time to run before an instance is healthy (default: 30)', parseTime)
    .option('--healthy-deadline <seconds>', 'time after which an instance has failed', parseTime)
    .option('--progress-deadline <seconds>', 'time in which one more must become healthy', parseTime)
    .option('--pause-between-waves <seconds>', 'pause after each wave (default: 0)', parseTime)
    .option('--no-auto-promote', 'wait for npx instances rollouts promote after the canary')
    .option('--no-auto-rollback', 'pause instead of rolling back')
    .addOption(
      new Option('--on-new-version <what>', 'what to do with an active rollout of the agent').choices([
        'supersede',
        'queue',
      ]),
    );
}

/** @returns undefined if no option says anything. @throws CommandError if the file has no JSON object */
export function readStrategy(options: StrategyOptions): object | undefined {
  const file = options.strategy === undefined ? {} : strategyIn(options.strategy);
  const { canary: given = {}, ...rest } = file;
  const { count: _, percent: __, ...others } = given;
  const canary = {
    ...(options.canary ? { ...others, ...options.canary } : given),
    ...(options.canaryMatching && { matching: options.canaryMatching }),
    ...(options.canaryOnePerUser && { one_per_user: true }),
  };
  const members = {
    ...rest,
    ...(Object.keys(canary).length > 0 && { canary }),
    ...withoutUndefined({
      max_parallel: options.maxParallel,
      max_failures: options.maxFailures,
      min_healthy_seconds: options.minHealthy,
      healthy_deadline_seconds: options.healthyDeadline,
      progress_deadline_seconds: options.progressDeadline,
      pause_between_waves_seconds: options.pauseBetweenWaves,
      on_new_version: options.onNewVersion,
    }),
    ...(!options.autoPromote && { auto_promote: false }),
    ...(!options.autoRollback && { auto_rollback: false }),
  };
  return Object.keys(members).length > 0 || options.strategy !== undefined ? members : undefined;
}

function strategyIn(path: string) {
  const strategy = z.looseObject({ canary: z.looseObject({}).optional() }).safeParse(readJsonFile(path));
  if (strategy.success) return strategy.data;
  throw new CommandError(`${path} has no strategy: it has to be a JSON object, and canary in it too.`, {
    exitCode: exitCodes.usage,
  });
}

function parseAmount(typed: string): Amount {
  const [, number = '', sign] = /^(\d+(?:\.\d+)?)(%?)$/.exec(typed) ?? [];
  if (number === '')
    throw new InvalidArgumentError('It must be a number of instances, e.g. 3, or a percentage, e.g. 5%.');
  return sign === '%' ? { percent: Number(number) } : { count: Number(number) };
}

function parseObject(typed: string): object {
  const parsed = z.record(z.string(), z.unknown()).safeParse(parseJson(typed));
  if (!parsed.success) throw new InvalidArgumentError('It must be a JSON object.');
  return parsed.data;
}

function withoutUndefined(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
