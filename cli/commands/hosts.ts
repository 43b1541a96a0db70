import type { Command } from 'commander';
import type { Client } from 'pg';
import { hostToJson } from '../../database/hosts/host-json.ts';
import { drainHost, forgetHost, listHosts, undrainHost, type Host } from '../../database/hosts/hosts.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { drainInWords, toHostTable } from '../host-table.ts';
import { resolveHost } from '../hosts.ts';
import { parseCount, utcOption } from '../options.ts';
import { print, printResult, warn } from '../output.ts';
import { plainLine } from '../plain-text.ts';
import { untilDrained } from '../wait-for-drain.ts';
import { parseSeconds, waitOption } from '../wait.ts';

interface DrainOptions {
  atOnce: number;
  wait?: true;
  timeout?: number;
}

export function addHosts(program: Command): void {
  const command = program
    .command('hosts')
    .description('show the hosts that run agents, drain them, and forget lost ones')
    .addHelpText('after', help);
  command
    .command('list')
    .description('list hosts by name')
    .option('--json', 'one JSON array, times in UTC')
    .addOption(utcOption())
    .action(list);
  addOnHost('drain', 'place no instance on the host any more, and move those that are there to other hosts')
    .option('--at-once <n>', 'move so many instances at the same time', parseCount, 1)
    .addOption(waitOption('nothing is placed on the host any more; in a terminal, this is the default'))
    .option('--timeout <seconds>', 'wait so long at most', parseSeconds)
    .action(drain);
  addOnHost('undrain', 'place instances on the host again').action(undrain);
  addOnHost('forget', 'place the instances of a lost host elsewhere, and take it off the list').action(forget);

  function addOnHost(name: string, description: string): Command {
    return command
      .command(name)
      .description(description)
      .argument('<host>', 'name of the host, its id, or the beginning of its id');
  }
}

const help = `
A host is a folder of agents_worker, a Docker engine or a namespace of a
cluster. It is lost when none of its workers has renewed its lease in time. Its
instances then wait for it, or are placed elsewhere after
replace_after_seconds, if their agents have that.

Only a lost host can be forgotten. Its instances are placed on other hosts at
once. Whoever forgets it vouches that its agents do not run any more, because
the machine is gone or was switched off.

Examples:
  $ npx instances hosts list
  $ npx instances hosts drain worker-1 --at-once 5 --wait --timeout 600
  $ npx instances hosts forget 7d1c3f0a`;

async function list(options: { json?: true; utc?: true }): Promise<void> {
  const hosts = (await withDatabase(listHosts)).map(hostToJson);
  if (hosts.length === 0 && !options.json) warn('There is no host: start agents_worker.');
  else printResult(hosts, options, (layout) => toHostTable(hosts, layout));
}

async function drain(typed: string, { atOnce, wait, timeout }: DrainOptions): Promise<void> {
  await onHost(typed, async (client, { id, name }) => {
    const draining = await drainHost(client, id, atOnce);
    if (!draining) throw gone(name);
    if (!(wait ?? timeout !== undefined) && !process.stdout.isTTY) {
      print(`The host ${name} drains: ${drainInWords(hostToJson(draining))}.`);
      return;
    }
    warn('Ctrl-C ends the waiting, not the drain.');
    await untilDrained({ client, id, name, timeoutSeconds: timeout });
    print(`The host ${name} is drained. To place instances on it again: npx instances hosts undrain ${id}`);
  });
}

async function undrain(typed: string): Promise<void> {
  await onHost(typed, async (client, { id, name }) => {
    if (!(await undrainHost(client, id))) throw gone(name);
    print(`Instances are placed on the host ${name} again.`);
  });
}

async function forget(typed: string): Promise<void> {
  await onHost(typed, async (client, { id, name, placed }) => {
    const outcome = await forgetHost(client, id);
    if (outcome === 'gone') throw gone(name);
    if (outcome === 'alive') {
      const advice = `End its agents_worker, or move its instances with npx instances hosts drain ${id}.`;
      throw new CommandError(`The host ${name} is not lost: its lease holds. ${advice}`);
    }
    const instances = placed === 1 ? '1 instance is' : `${placed} instances are`;
    print(`The host ${name} is forgotten. ${instances} placed on other hosts.`);
    warn('You vouch that none of its agents runs any more: an instance whose agent does has two agents now.');
  });
}

async function onHost(typed: string, work: (client: Client, host: Host) => Promise<void>): Promise<void> {
  await withDatabase(async (client) => {
    const host = await resolveHost(client, typed);
    await work(client, { ...host, name: plainLine(host.name) });
  });
}

function gone(name: string): CommandError {
  return new CommandError(`The host ${name} was forgotten meanwhile.`);
}
