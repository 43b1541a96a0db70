import { Option, type Command } from 'commander';
import { instanceStatuses, type InstanceStatus } from '../../contracts/names.ts';
import { listInstances } from '../../database/instances/list.ts';
import { instanceView } from '../../database/instances/view.ts';
import { findAgentIds } from '../agents.ts';
import { withDatabase } from '../database.ts';
import { parseCount, parseIdPrefix, utcOption, type IdPrefix } from '../options.ts';
import { toTable } from '../instance-table.ts';
import { print, terminalWidth, timeFormat, toJson, warn } from '../terminal.ts';

interface ListOptions {
  status?: InstanceStatus;
  agent?: string;
  user?: IdPrefix;
  limit: number;
  json?: true;
  utc?: true;
}

export function addList(program: Command): void {
  program
    .command('list')
    .description('list instances, the newest first')
    .addOption(new Option('--status <status>', 'only those of this status').choices(instanceStatuses))
    .option('--agent <agent>', 'only those of this agent: id (or its beginning) or name')
    .option('--user <uuid>', 'only those of this user: id or its beginning', parseIdPrefix)
    .option('--limit <n>', 'at most so many', parseCount, 50)
    .option('--json', 'one JSON array, times in UTC')
    .addOption(utcOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx instances list --status failed --agent heartbeat
  $ npx instances list --json --limit 1000 | jq -r '.[].id'`,
    )
    .action(list);
}

async function list({ status, agent, user, limit, json, ...options }: ListOptions): Promise<void> {
  const { instances: listed, next } = await withDatabase(async (client) => {
    const agentIds = agent === undefined ? undefined : await findAgentIds(client, agent);
    return listInstances(client, { status, agentIds, users: user, limit });
  });
  const instances = listed.map((instance) => instanceView.parse(instance));
  if (json) print(toJson(instances, 2));
  else if (instances.length > 0)
    toTable(instances, { formatTime: timeFormat(options), width: terminalWidth() }).forEach(print);
  else warn('No instance fits.');
  if (next) warn(`There are more than these ${limit}: give a larger --limit, or a filter.`);
}
