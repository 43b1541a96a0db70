import { InvalidArgumentError, type Command } from 'commander';
import { chainHead } from '../../backends/admin/audit/schemas.ts';
import { findEntries } from '../../backends/admin/audit/search.ts';
import { verifyAudit, type ChainHead } from '../../backends/admin/audit/verify.ts';
import { findAgentIds } from '../agents.ts';
import { toAuditTable } from '../audit-table.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { parseCount, parseIdPrefix, utcOption, type IdPrefix } from '../options.ts';
import { plain, print, terminalWidth, timeFormat, toJson, warn } from '../terminal.ts';

interface ListOptions {
  instance?: IdPrefix;
  agent?: string;
  user?: IdPrefix;
  type?: string;
  from?: Date;
  to?: Date;
  limit: number;
  json?: true;
  utc?: true;
}

interface VerifyOptions {
  expect?: ChainHead;
  json?: true;
}

export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description('search the audit log, and verify that nobody has changed it')
    .addHelpText(
      'after',
      `
Each entry holds a hash of itself and of the entry before. What a chain cannot
tell by itself is that its end was cut off, or that it was computed anew: note
the head that verify prints where nobody who may write to the database can
change it, and give it with --expect the next time.

Examples:
  $ npx instances audit list --instance c6077f7e
  $ npx instances audit verify --expect 1042:<hash>`,
    );
  command
    .command('list')
    .description('list entries, the newest first')
    .option('--instance <id>', 'only of this instance: id or its beginning', parseIdPrefix)
    .option('--agent <agent>', 'only of this agent and of instances that run it: id (or its beginning) or name')
    .option('--user <uuid>', 'only of instances of this user: id or its beginning', parseIdPrefix)
    .option('--type <type>', 'only events of this type, e.g. instance.deleted')
    .option('--from <time>', 'only what happened then or later, e.g. 2025-01-31 or 2025-01-31T12:00:00Z', parseTime)
    .option('--to <time>', 'only what happened before', parseTime)
    .option('--limit <n>', 'at most so many', parseCount, 50)
    .option('--json', 'one JSON array, times in UTC')
    .addOption(utcOption())
    .action(list);
  command
    .command('verify')
    .description('compute every hash anew; exit code 1 when something was changed or is missing')
    .option('--expect <position:hash>', 'a head that an earlier verify printed', parseHead)
    .option('--json', 'one JSON object')
    .action(verify);
}

async function list({ instance, agent, user, type, from, to, limit, json, ...options }: ListOptions): Promise<void> {
  const found = await withDatabase(async (client) => {
    const agentIds = agent === undefined ? undefined : await findAgentIds(client, agent);
    return findEntries(client, { instance, agentIds, user, type, from, to }, limit + 1);
  });
  const entries = found.slice(0, limit);
  if (json) print(toJson(entries, 2));
  else if (entries.length > 0)
    toAuditTable(entries, { formatTime: timeFormat(options), width: terminalWidth() }).forEach(print);
  else warn('No entry fits.');
  if (found.length > limit) warn(`There are more than these ${limit}: give a larger --limit, or a filter.`);
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
