import { Option, type Command } from 'commander';
import { instanceStatuses, type InstanceStatus } from '../../contracts/names.ts';
import { listInstances } from '../../database/instances/list.ts';
import { instanceView } from '../../database/instances/view.ts';
import { findAgentIds } from '../agents.ts';
import { withDatabase } from '../database.ts';
import { addListOptions, type ListOptions } from '../options.ts';
import { parseIdPrefix, type IdPrefix } from '../ids.ts';
import { toTable } from '../instance-table.ts';
import { printList } from '../output.ts';

interface InstanceListOptions extends ListOptions {
  status?: InstanceStatus;
  agent?: string;
  user?: IdPrefix;
}

export function addList(program: Command): void {
  const command = program
    .command('list')
    .description('list instances, the newest first')
    .addOption(new Option('--status <status>', 'only instances with this status').choices(instanceStatuses))
    .option('--agent <agent>', 'only instances of this agent: id (or its beginning) or name')
    .option('--user <uuid>', 'only instances of this user: id or its beginning', parseIdPrefix);
  addListOptions(command).addHelpText('after', examples).action(list);
}

const examples = `
Examples:
  $ npx instances list --status failed --agent heartbeat
  $ npx instances list --json --limit 1000 | jq -r '.[].id'`;

async function list({ status, agent, user, ...options }: InstanceListOptions): Promise<void> {
  const { instances } = await withDatabase(async (client) => {
    const agentIds = agent === undefined ? undefined : await findAgentIds(client, agent);
    return listInstances(client, { status, agentIds, users: user, limit: options.limit + 1 });
  });
  const found = instances.map((instance) => instanceView.parse(instance));
  printList(found, options, { toLines: toTable, none: 'No instance fits.' });
}
