import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { z } from 'zod';
import type { VersionPolicy } from '../../contracts/names.ts';
import { createInstance, UnusableAgent } from '../../database/instances/change.ts';
import { errorMessage } from '../../supervision/errors.ts';
import { chooseAgent } from '../agents.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { parseUuid } from '../ids.ts';
import { print, warn } from '../output.ts';
import { versionPolicyOption, versionRefusalOf } from '../versions.ts';
import { timeoutOption, waitOption, waitForStatus, type WaitOptions } from '../wait.ts';

interface CreateOptions extends WaitOptions {
  config: Record<string, unknown>;
  user?: string;
  stopped?: true;
  agentVersion?: string;
  versionPolicy?: VersionPolicy;
}

export function addCreate(program: Command): void {
  program
    .command('create')
    .description('create an instance of an agent and print its id')
    .argument('<agent>', 'id (or its beginning) or name of a published agent')
    .option('--config <json>', 'config as JSON, or @FILE to read it from (use a file for secrets)', parseConfig, {})
    .option('--user <uuid>', 'owner of the instance (default: a new id)', parseUuid)
    .option('--agent-version <version>', 'version of the agent to run (default: its stable version)')
    .addOption(versionPolicyOption())
    .option('--stopped', 'create the instance without starting its agent')
    .addOption(waitOption('it runs, or with --stopped until the engine has registered it'))
    .addOption(timeoutOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx instances create heartbeat --wait
  $ npx instances create 5f0c9a52 --config @config.json --timeout 120`,
    )
    .action(create);
}

async function create(agent: string, options: CreateOptions): Promise<void> {
  const { config, user, stopped, agentVersion, versionPolicy, wait, timeout } = options;
  await withDatabase(async (client) => {
    const agentId = await chooseAgent(client, agent);
    const status = stopped ? 'stopped' : 'running';
    const json = JSON.stringify({ config });
    const wanted = {
      agentId,
      userId: user ?? randomUUID(),
      desiredState: status,
      agentVersion,
      versionPolicy,
      json,
    } as const;
    const { id } = await createInstance(client, wanted).catch(explainRefusal);
    print(id);
    if (!wait) return;
    await waitForStatus({ client, id, status, generation: 1, timeoutSeconds: timeout });
    warn(`The instance is ${status}.`);
  });
}

function explainRefusal(error: unknown): never {
  if (!(error instanceof UnusableAgent)) throw versionRefusalOf(error) ?? error;
  const advice = {
    agent_unknown: 'Publish it first (see examples/README.md).',
    agent_retired: 'Publish it again, or choose another agent.',
  };
  throw new CommandError(`${error.message} ${advice[error.code]}`, { cause: error });
}

function parseConfig(given: string): Record<string, unknown> {
  const config = z.record(z.string(), z.unknown()).safeParse(readJson(given));
  if (!config.success) throw new InvalidArgumentError('It must be a JSON object.');
  return config.data;
}

function readJson(given: string): unknown {
  try {
    return JSON.parse(given.startsWith('@') ? readFileSync(given.slice(1), 'utf8') : given);
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read as JSON: ${errorMessage(error)}.`);
  }
}
