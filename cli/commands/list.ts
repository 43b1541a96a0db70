import { Option, type Command } from 'commander';
import { instanceStatuses, type InstanceStatus } from '../../contracts/names.ts';
import { instanceView, instanceViewQuery } from '../../database/instance-view.ts';
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
  const found = await withDatabase(async (client) => {
    const { rows } = await client.query(
      `${instanceViewQuery}
       where ($1::text is null or i.status = $1) and ($2::uuid[] is null or i.agent_id = any ($2))
         and ($3::uuid is null or i.user_id between $3 and $4)
       order by i.created_at desc, i.id limit $5`,
      [status, agent === undefined ? null : await findAgentIds(client, agent), user?.lowest, user?.highest, limit + 1],
    );
    return rows.map((row) => instanceView.parse(row));
  });
  const instances = found.slice(0, limit);
  if (json) print(toJson(instances, 2));
  else if (instances.length > 0)
    toTable(instances, { formatTime: timeFormat(options), width: terminalWidth() }).forEach(print);
  else warn('No instance fits.');
  if (found.length > limit) warn(`There are more than these ${limit}: give a larger --limit, or a filter.`);
}
