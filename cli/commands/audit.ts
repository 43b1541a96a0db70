import { InvalidArgumentError, type Command } from 'commander';
import { chainHead } from '../../backends/admin/audit/schemas.ts';
import { findEntries } from '../../backends/admin/audit/search.ts';
import { verifyAudit, type ChainHead } from '../../backends/admin/audit/verify.ts';
import { findAgentIds } from '../agents.ts';
import { toAuditTable } from '../audit-table.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { addListOptions, type ListOptions } from '../options.ts';
import { parseIdPrefix, type IdPrefix } from '../ids.ts';
import { plain, toJson } from '../plain-text.ts';
import { print, printList, warn } from '../output.ts';

interface EntryListOptions extends ListOptions {
  instance?: IdPrefix;
  agent?: string;
  user?: IdPrefix;
  type?: string;
  from?: Date;
  to?: Date;
}

interface VerifyOptions {
  expect?: ChainHead;
  json?: true;
}

export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description('search the audit log, and verify that it was not changed')
    .addHelpText(
      'after',
      `
Each entry holds a hash of itself and of the entry before. The chain alone
cannot show that its end was cut off or that all of it was computed anew. Keep
the head that verify prints where nobody who may write to the database can
change it, and give it with --expect the next time.

Examples:
  $ npx instances audit list --instance c6077f7e
  $ npx instances audit verify --expect 1042:<hash>`,
    );
  const listCommand = command
    .command('list')
    .description('list entries, the newest first')
    .option('--instance <id>', 'only entries about this instance: id or its beginning', parseIdPrefix)
    .option('--agent <agent>', 'only entries about this agent and its instances: id (or its beginning) or name')
    .option('--user <uuid>', 'only entries about instances of this user: id or its beginning', parseIdPrefix)
    .option('--type <type>', 'only events of this type, e.g. instance.deleted')
    .option(
      '--from <time>',
      'only what happened at this time or later, e.g. 2025-01-31 or 2025-01-31T12:00:00Z',
      parseTime,
    )
    .option('--to <time>', 'only what happened before this time', parseTime);
  addListOptions(listCommand).action(list);
  command
    .command('verify')
    .description('compute every hash again; exit code 1 when an entry was changed or is missing')
    .option('--expect <position:hash>', 'compare with the head that an earlier verify printed', parseHead)
    .option('--json', 'one JSON object')
    .action(verify);
}

async function list({ instance, agent, user, type, from, to, ...options }: EntryListOptions): Promise<void> {
  const found = await withDatabase(async (client) => {
    const agentIds = agent === undefined ? undefined : await findAgentIds(client, agent);
    return findEntries(client, { instance, agentIds, user, type, from, to }, options.limit + 1);
  });
  printList(found, options, { toLines: toAuditTable, none: 'No entry fits.' });
}

async function verify({ expect, json }: VerifyOptions): Promise<void> {
  const { entries, firstPosition, head, problem, notice } = await withDatabase((client) => verifyAudit(client, expect));
  if (json) {
    const found = {
      intact: !problem,
      entries,
      first_position: firstPosition,
      head,
      problem: problem ?? null,
      ...(notice !== undefined && { notice }),
    };
    print(toJson(found, 2));
  } else if (!problem) {
    print(head ? `The audit log is intact: ${entries} entries, ${firstPosition} to ${head.position}.` : 'The audit log is empty.'); // prettier-ignore
    if (notice !== undefined) warn(plain(notice));
    if (head) print(`Its head, for --expect: ${head.position}:${head.hash}`);
  }
  if (problem) {
    const before = head ? ` Up to entry ${head.position} it is as it was written.` : '';
    throw new CommandError(`The audit log is not intact at position ${problem.position}: ${problem.message}.${before}`);
  }
}

/** A day begins in UTC; a time without a zone is a local one. */
function parseTime(typed: string): Date {
  const time = new Date(typed);
  if (!/^\d{4}-/.test(typed) || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError('It must be a time such as 2025-01-31 or 2025-01-31T12:00:00Z.');
  }
  return time;
}

function parseHead(typed: string): ChainHead {
  const head = chainHead.safeParse(typed);
  if (!head.success) throw new InvalidArgumentError('It must be <position>:<hash>, as verify prints it.');
  return head.data;
}
