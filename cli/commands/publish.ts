import type { Command } from 'commander';
import type { Client } from 'pg';
import { z } from 'zod';
import { publishVersion } from '../../database/agents/versions.ts';
import { listRollouts } from '../../database/rollouts/list.ts';
import { requestRollout } from '../../database/rollouts/request.ts';
import { readyTimeoutOf, runtimeSpec } from '../../runtimes/registry.ts';
import { chooseAgent } from '../agents.ts';
import { CommandError, exitCodes } from '../command-error.ts';
import { readJsonFile } from '../json-file.ts';
import { print, warn } from '../output.ts';
import { plainLine } from '../plain-text.ts';
import { withRollouts } from '../rollouts.ts';
import { addStrategyOptions, readStrategy, type StrategyOptions } from '../strategy-options.ts';
import { addWaitForRollout, followRollout, isToWait, type RolloutWait } from '../wait-for-rollout.ts';
import { requesterName } from '../requester.ts';

interface PublishOptions extends StrategyOptions, RolloutWait {
  version: string;
  runtime: string;
  capabilities?: string;
}

export function addPublish(program: Command): void {
  const command = program
    .command('publish')
    .description('publish a version of an agent, and roll it out')
    .argument('<agent>', 'id (or its beginning) or name of the agent')
    .requiredOption('--version <version>', 'version to publish')
    .requiredOption('--runtime <file>', 'how the version is run, as a JSON file')
    .option('--capabilities <names>', 'what it can do, with commas between (default: as the newest version)');
  addWaitForRollout(addStrategyOptions(command)).addHelpText('after', help).action(publish);
}

const help = `
Version and rollout are one transaction: if the rollout is refused, nothing is
published. Repeated with the same content, the command publishes nothing and
goes on with the rollout that is active, or starts another one unless the
version is the stable one.

Without a strategy, that of the agent counts, and without one there, the
defaults. Exit codes with --wait: 0 completed, 3 rolled back, aborted,
superseded or refused, 4 not ended in time.

Example for CI:
  $ npx instances publish heartbeat --version 1.1.0 --runtime runtime.json \\
      --strategy strategy.json --wait --timeout 30m`;

async function publish(agent: string, options: PublishOptions): Promise<void> {
  const strategy = readStrategy(options);
  const runtime = readRuntime(options.runtime);
  const words = options.capabilities?.split(',').map((word) => word.trim());
  const version = { version: options.version, runtime, capabilities: words?.filter(Boolean) };
  await withRollouts(async (client) => {
    const agentId = await chooseAgent(client, agent);
    const rolloutId = await inOneTransaction(client, () => publishAndRollOut(client, agentId, version, strategy));
    if (rolloutId === undefined) {
      warn(`The version ${plainLine(options.version)} is the stable version of the agent already.`);
      if (options.json) print('null');
    } else if (isToWait(options)) await followRollout(client, rolloutId, options);
    else print(rolloutId);
  });
}

/** @returns the id of the rollout; undefined if the version is the stable one already */
async function publishAndRollOut(
  client: Client,
  agentId: string,
  version: Parameters<typeof publishVersion>[2],
  strategy: object | undefined,
): Promise<string | undefined> {
  const { rows } = await client.query<{ rollout: object | null }>(
    'select rollout from agents where id = $1 for no key update',
    [agentId],
  );
  const ofAgent = rows[0]?.rollout;
  if (ofAgent && strategy) {
    throw new CommandError(
      'The agent has a strategy of its own, by which each new version is rolled out. Leave the strategy out, or change `rollout` of the agent.',
      { exitCode: exitCodes.usage },
    );
  }
  const published = await publishVersion(client, agentId, version);
  if (!published) throw new CommandError(`The agent ${agentId} is not published.`);
  if (published.isNew) warn(`The version ${plainLine(version.version)} is published.`);
  const rollouts = await listRollouts(client, { agentIds: [agentId], limit: 1_000 });
  const active = rollouts.find((each) => each.version === version.version && each.ended_at === null);
  if (active) return active.id;
  if (published.version.is_stable) return undefined;
  return requestRollout(
    client,
    { agentId, version: version.version, strategy: strategy ?? ofAgent ?? {}, requestedBy: requesterName() },
    readyTimeoutOf,
  );
}

function readRuntime(path: string): object {
  const given = readJsonFile(path);
  const spec = runtimeSpec.safeParse(given);
  if (!spec.success) {
    const sentence = `${path} is no runtime of an agent:\n${z.prettifyError(spec.error)}`;
    throw new CommandError(sentence, { exitCode: exitCodes.usage });
  }
  // The version keeps what was given, without the defaults of this release.
  return given as object;
}

async function inOneTransaction<Result>(client: Client, work: () => Promise<Result>): Promise<Result> {
  await client.query('begin');
  try {
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
