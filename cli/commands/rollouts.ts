import { Option, type Command } from 'commander';
import { rolloutStatuses, type RolloutStatus } from '../../contracts/names.ts';
import { listMoved, listRollouts } from '../../database/rollouts/list.ts';
import { changeRollout, requestRollout, type RolloutAction } from '../../database/rollouts/request.ts';
import { readyTimeoutOf } from '../../runtimes/registry.ts';
import { chooseAgent, findAgentIds } from '../agents.ts';
import { addListOptions, utcOption, type ListOptions } from '../options.ts';
import { print, printList, printResult } from '../output.ts';
import { requesterName } from '../requester.ts';
import { describeRollout, rolloutInWords, toRolloutTable } from '../rollout-lines.ts';
import { readOne, resolveRollout, withRollouts } from '../rollouts.ts';
import { addStrategyOptions, readStrategy, type StrategyOptions } from '../strategy-options.ts';
import {
  addRolloutTimeout,
  addWaitForRollout,
  followRollout,
  isToWait,
  type RolloutWait,
} from '../wait-for-rollout.ts';

interface Shown {
  json?: true;
  utc?: true;
}

export function addRollouts(program: Command): void {
  const command = program
    .command('rollouts')
    .description('move the instances of an agent to another version, wave by wave')
    .addHelpText('after', help);
  addWaitForRollout(
    addStrategyOptions(
      command
        .command('start')
        .description('start the rollout of a published version, and print its id')
        .argument('<agent>', 'id (or its beginning) or name of the agent')
        .argument('<version>', 'version that the instances are moved to'),
    ),
  ).action(start);
  addListOptions(
    command
      .command('list')
      .description('list rollouts, the newest first')
      .argument('[agent]', 'id (or its beginning) or name of an agent (default: all agents)')
      .addOption(new Option('--status <status>', 'only rollouts with this status').choices(rolloutStatuses)),
  ).action(list);
  onRollout('show', 'show a rollout with its waves, and the instances that failed')
    .option('--json', 'one JSON object, times in UTC')
    .addOption(utcOption())
    .action(show);
  addRolloutTimeout(onRollout('watch', 'tell the progress of a rollout until it has ended')).action(watch);
  onRollout('pause', 'begin no further wave; what was moved is still judged').action(asks('pause'));
  onRollout('resume', 'go on with a paused rollout, also if it was paused for failures').action(asks('resume'));
  onRollout('promote', 'allow the waves after the canary, with --no-auto-promote').action(asks('promote'));
  onRollout('abort', 'give the moved instances their versions back').action(asks('abort'));

  function onRollout(name: string, description: string): Command {
    return command
      .command(name)
      .description(description)
      .argument('<rollout>', 'id of the rollout, its beginning, or the agent whose latest rollout is meant');
  }
}

const help = `
A rollout moves the canary first, and then wave after wave, while no more than
--max-parallel instances are out at the same time. If too many instances fail,
all get their version back, and the version is withdrawn. New instances get the
version once the rollout is completed. See docs/rollouts.md.

Exit codes of watch and --wait: 0 completed, 3 rolled back, aborted, superseded
or refused, 4 not ended in time (the rollout goes on).

Examples:
  $ npx instances rollouts start heartbeat 1.1.0 --canary 5% --wait --timeout 10m
  $ npx instances rollouts show heartbeat
  $ npx instances rollouts abort 4f1c22d0`;

async function start(agent: string, version: string, options: StrategyOptions & RolloutWait): Promise<void> {
  const strategy = readStrategy(options) ?? {};
  await withRollouts(async (client) => {
    const agentId = await chooseAgent(client, agent);
    const id = await requestRollout(
      client,
      { agentId, version, strategy, requestedBy: requesterName() },
      readyTimeoutOf,
    );
    if (isToWait(options)) await followRollout(client, id, options);
    else print(id);
  });
}

async function list(
  agent: string | undefined,
  { status, ...options }: ListOptions & { status?: RolloutStatus },
): Promise<void> {
  const rollouts = await withRollouts(async (client) =>
    listRollouts(client, {
      agentIds: agent === undefined ? undefined : await findAgentIds(client, agent),
      statuses: status && [status],
      limit: options.limit + 1,
    }),
  );
  printList(rollouts, options, {
    toLines: toRolloutTable,
    none: 'There is no such rollout. Start one with npx instances rollouts start.',
  });
}

const shownFailures = 20;

async function show(typed: string, options: Shown): Promise<void> {
  await withRollouts(async (client) => {
    const rollout = await readOne(client, await resolveRollout(client, typed));
    const failed = await listMoved(client, rollout.id, { hasFailed: true, limit: shownFailures });
    printResult({ ...rollout, failed_instances: failed }, options, (layout) =>
      describeRollout(rollout, failed, layout),
    );
  });
}

async function watch(typed: string, options: RolloutWait): Promise<void> {
  await withRollouts(async (client) => followRollout(client, await resolveRollout(client, typed), options));
}

function asks(action: RolloutAction) {
  return async (typed: string): Promise<void> => {
    await withRollouts(async (client) => {
      const id = await resolveRollout(client, typed);
      await changeRollout(client, id, action);
      print(`${asked[action]} ${rolloutInWords(await readOne(client, id))}`);
    });
  };
}

const asked: Readonly<Record<RolloutAction, string>> = {
  pause: 'The rollout is to pause.',
  resume: 'The rollout is to go on.',
  promote: 'The rollout may go on after its canary.',
  abort: 'The rollout is to be aborted.',
};
