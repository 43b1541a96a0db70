import { InvalidArgumentError, Option, type Command } from 'commander';
import { z } from 'zod';
import { CommandError, exitCodes } from './command-error.ts';
import { parseUuid } from './ids.ts';
import { readJsonFile } from './json-file.ts';
import { parseTime } from './wait.ts';

export interface DeploymentOptions {
  strategy?: string;
  steps?: number[];
  bake?: number;
  minInstances?: number;
  maxFailures?: number;
  probeRate?: number;
  onBreak?: string;
  maxHeld?: number;
  maxRestarted?: number;
  gate: boolean;
  canary?: string;
  pollersDeadline?: number;
  progressDeadline?: number;
  rollbackWindow?: number;
  autoPromote: boolean;
  autoRollback: boolean;
}

/** Adds the members of a strategy as options. The database keeps them, so that their limits are told in one place. */
export function addDeploymentOptions(command: Command): Command {
  return command
    .option('--strategy <file>', 'strategy as a JSON file; the options below count more')
    .option('--steps <percentages>', 'parts of the instances, e.g. 1,10,50,100 (the default)', parseSteps)
    .option('--bake <seconds>', 'time to watch after each step (default: 300)', parseTime)
    .option('--min-instances <n>', 'least number of instances in a step (default: 1)', parseNumber)
    .option('--max-failures <n>', 'instances that may fail (default: 0)', parseNumber)
    .option('--probe-rate <n>', 'most queries per second (default: 20)', parseNumber)
    .addOption(
      new Option('--on-break <what>', 'what to do if a history cannot be replayed (default: refuse)').choices([
        'refuse',
        'hold',
      ]),
    )
    .option('--max-held <n>', 'instances that hold may keep on the previous build (default: 0)', parseNumber)
    .option('--max-restarted <n>', 'instances that may be restarted or stopped (default: 0)', parseNumber)
    .option('--no-gate', 'replay no history before the first step')
    .option('--canary <agent-id>', 'run and delete an instance of this agent first', parseUuid)
    .option('--pollers-deadline <seconds>', 'time for workers of the build to come (default: 600)', parseTime)
    .option('--progress-deadline <seconds>', 'time in which a step must go on (default: 1800)', parseTime)
    .option('--rollback-window <seconds>', 'time to keep the previous build (default: 3600)', parseTime)
    .option('--no-auto-promote', 'wait for npx instances deployments promote before the last step')
    .option('--no-auto-rollback', 'pause instead of rolling back');
}

/** @throws CommandError if the file has no JSON object */
export function readDeploymentStrategy(options: DeploymentOptions): object {
  const given = {
    steps: options.steps,
    bake_seconds: options.bake,
    min_instances: options.minInstances,
    max_failures: options.maxFailures,
    probe_per_second: options.probeRate,
    on_break: options.onBreak,
    max_held: options.maxHeld,
    max_restarted: options.maxRestarted,
    gate: options.gate ? undefined : 'off',
    canary_agent_id: options.canary,
    pollers_deadline_seconds: options.pollersDeadline,
    progress_deadline_seconds: options.progressDeadline,
    rollback_window_seconds: options.rollbackWindow,
    auto_promote: options.autoPromote ? undefined : false,
    auto_rollback: options.autoRollback ? undefined : false,
  };
  const file = options.strategy === undefined ? {} : strategyIn(options.strategy);
  return { ...file, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}

function strategyIn(path: string): object {
  const strategy = z.record(z.string(), z.unknown()).safeParse(readJsonFile(path));
  if (strategy.success) return strategy.data;
  throw new CommandError(`${path} has no strategy: it has to be a JSON object.`, { exitCode: exitCodes.usage });
}

function parseSteps(typed: string): number[] {
  const steps = typed.split(',').map((part) => /^\s*(\d+(?:\.\d+)?)\s*%?\s*$/.exec(part)?.[1]);
  return steps.map((step) => {
    if (step === undefined)
      throw new InvalidArgumentError('They must be percentages with commas between, e.g. 1,10,50,100.');
    return Number(step);
  });
}

function parseNumber(typed: string): number {
  if (!/^\d+(\.\d+)?$/.test(typed)) throw new InvalidArgumentError('It must be a number.');
  return Number(typed);
}
