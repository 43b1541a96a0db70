import { Argument, InvalidArgumentError, type Command } from 'commander';
import type { Client } from 'pg';
import { z } from 'zod';
import { limitToJson, type LimitJson } from '../../database/limits/limit-json.ts';
import {
  canHaveLimit,
  limitScopes,
  listLimits,
  removeLimit,
  setLimit,
  type LimitKey,
  type LimitScope,
} from '../../database/limits/limits.ts';
import { findAgentIds } from '../agents.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { parseUuid } from '../ids.ts';
import { addListOptions, type ListOptions } from '../options.ts';
import { print, printList } from '../output.ts';
import { fittingTable, type Column, type Layout } from '../terminal.ts';

export function addLimits(program: Command): void {
  const command = program
    .command('limits')
    .description('limit how many instances a user or an agent may have')
    .addHelpText('after', help);
  addListOptions(command.command('list').description('list the limits that were set')).action(list);
  addOnLimit('set', 'set a limit, or replace it')
    .argument('<number>', 'number of instances, or none: no limit, whatever default says', parseAtMost)
    .action(set);
  addOnLimit('remove', 'remove a limit, so that the one of default holds').action(remove);

  function addOnLimit(name: string, description: string): Command {
    return command
      .command(name)
      .description(description)
      .addArgument(new Argument('<scope>', 'whose limit it is').choices(limitScopes))
      .argument(
        '<subject>',
        'id of the user, id or name of the agent, or default: all that have no limit of their own',
      );
  }
}

const help = `
All instances count, whatever their status. A limit below what is there removes
nothing, but nothing can be added until enough was deleted.

Examples:
  $ npx instances limits set user default 20
  $ npx instances limits set user 5a2c4a1e-9d53-4d7e-8f5e-0c0f8a3f9f10 none
  $ npx instances limits set agent crawler 500
  $ npx instances limits remove agent crawler`;

async function list(options: ListOptions): Promise<void> {
  const found = await withDatabase((client) => listLimits(client, { limit: options.limit + 1 }));
  printList(found.map(limitToJson), options, { toLines: toTable, none: 'No limit is set.' });
}

async function set(scope: LimitScope, typed: string, atMost: number | null): Promise<void> {
  await withDatabase(async (client) => {
    const key = await findKey(client, scope, typed);
    if (key.subject === null && atMost === null) {
      throw new CommandError(
        `Without a limit for all others, nothing is needed: npx instances limits remove ${scope} default`,
      );
    }
    await setLimit(client, key, atMost);
    print(`${subjectOf(key)} may have ${atMost === null ? 'any number of instances' : countOf(atMost)}.`);
  });
}

async function remove(scope: LimitScope, typed: string): Promise<void> {
  await withDatabase(async (client) => {
    const key = await findKey(client, scope, typed);
    if (!(await removeLimit(client, key)))
      throw new CommandError(`${subjectOf(key)} had no limit. See npx instances limits list.`);
    print(`The limit is removed. ${subjectOf(key)} had it.`);
  });
}

/** @throws CommandError when no agent fits, or several do */
async function findKey(client: Client, scope: LimitScope, typed: string): Promise<LimitKey> {
  if (typed === 'default') return { scope, subject: null };
  if (!canHaveLimit(typed)) throw new CommandError(`Nobody has the id ${typed}. Give another id, or default.`);
  if (scope === 'user') return { scope, subject: parseSubject(typed) };
  const [subject = null, ...others] = await findAgentIds(client, typed);
  if (others.length > 0) {
    throw new CommandError(`Several agents fit ${typed}: ${[subject, ...others].join(', ')}. Give the id of one.`);
  }
  return { scope, subject };
}

function parseSubject(typed: string): string {
  try {
    return parseUuid(typed);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new CommandError(`The user ${typed} is not known by that: give the whole id, or default.`, { cause: error });
  }
}

function parseAtMost(typed: string): number | null {
  if (typed === 'none') return null;
  const count = z.string().regex(/^\d+$/).transform(Number).pipe(z.int().max(2_147_483_647)).safeParse(typed);
  if (!count.success) throw new InvalidArgumentError('It must be a whole number from 0 to 2147483647, or none.');
  return count.data;
}

const countOf = (count: number): string => `at most ${count} ${count === 1 ? 'instance' : 'instances'}`;

function subjectOf({ scope, subject }: LimitKey): string {
  return subject === null ? `Each ${scope} without a limit of its own` : `The ${scope} ${subject}`;
}

function toTable(limits: readonly LimitJson[], { formatTime, width }: Layout): string[] {
  const columns: Column<LimitJson>[] = [
    { head: 'SCOPE', cell: ({ scope }) => scope },
    { head: 'SUBJECT', cell: ({ subject }) => subject ?? 'default' },
    { head: 'AT MOST', cell: ({ at_most: atMost }) => (atMost === null ? 'none' : String(atMost)) },
    { head: 'SET', cell: ({ changed_at: changedAt }) => formatTime(new Date(changedAt)) },
  ];
  return fittingTable(limits, [columns, columns.slice(0, 3)], width);
}
