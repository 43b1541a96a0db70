import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { z } from 'zod';
import { errorMessage } from '../../supervision/errors.ts';
import { chooseAgent } from '../agents.ts';
import { withDatabase } from '../database.ts';
import { parseUuid, timeoutOption, waitOption, type WaitOptions } from '../options.ts';
import { print, warn } from '../terminal.ts';
import { waitForStatus } from '../wait.ts';

interface CreateOptions extends WaitOptions {
  config: Record<string, unknown>;
  user?: string;
  stopped?: true;
}

export function addCreate(program: Command): void {
  program
    .command('create')
    .description('create an instance of an agent and print its id')
    .argument('<agent>', 'id (or its beginning) or name of a published agent')
    .option('--config <json>', 'config as JSON, or @FILE to read it from (use a file for secrets)', parseConfig, {})
    .option('--user <uuid>', 'user that it belongs to; a new id when left out', parseUuid)
    .option('--stopped', 'create it stopped')
    .addOption(waitOption('it runs, or with --stopped until it is taken in'))
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

async function create(agent: string, { config, user, stopped, wait, timeout }: CreateOptions): Promise<void> {
  await withDatabase(async (client) => {
    const { id: agentId, warning } = await chooseAgent(client, agent);
    if (warning !== undefined) warn(warning);
    const id = randomUUID();
    await client.query(
      'insert into instances (id, agent_id, user_id, config, desired_state) values ($1, $2, $3, $4, $5)',
      [id, agentId, user ?? randomUUID(), config, stopped ? 'stopped' : 'running'],
    );
    print(id);
    if (!wait) return;
    const status = stopped ? 'stopped' : 'running';
    await waitForStatus({ client, id, status, generation: 1, timeoutSeconds: timeout });
    warn(`The instance is ${status}.`);
  });
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
