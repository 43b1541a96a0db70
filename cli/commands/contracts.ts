import type { Command } from 'commander';
import { virtualHostOf } from '../../bridge/bus/connection.ts';
import { nameOf, type AccountObject, type TopologyObject } from '../../bridge/bus/topology.ts';
import { applyAccounts, type ChangedPermissions } from '../../bridge/topology-check/apply-accounts.ts';
import { checkAccounts, type AccountFinding } from '../../bridge/topology-check/check-accounts.ts';
import { applyTopology, checkTopology } from '../../bridge/topology-check/check-topology.ts';
import type { Finding } from '../../bridge/topology-check/findings.ts';
import { readRabbitmq, readServicePasswords } from '../../configuration/given-servers.ts';
import { passwordVariable } from '../../configuration/secrets.ts';
import { concludeCheck } from '../command-error.ts';
import { plainLine, toJson } from '../plain-text.ts';
import { print } from '../output.ts';

type AnyObject = TopologyObject | AccountObject;

interface CheckOptions {
  managementUrl?: string;
  accounts?: true;
  apply?: true;
  json?: true;
}

export function addContracts(program: Command): void {
  program
    .command('contracts')
    .description('compare a live RabbitMQ with the contracts')
    .command('check')
    .description('compare exchanges, queues and bindings of the RabbitMQ of AMQP_URL with contracts/topology.ts')
    .option(
      '--management-url <url>',
      "RabbitMQ's management API, without a password (default: RABBITMQ_MANAGEMENT_URL, which may name another user with a " +
        'password, or port 15672 of the same host, 15671 over TLS)',
    )
    .option(
      '--accounts',
      "compare also the services' users and their rights with contracts/access.ts; needs a user with the tag administrator",
    )
    .option(
      '--apply',
      'create what is missing and, with --accounts, correct the rights of the users of the catalog; change nothing else and ' +
        'delete nothing. New users get EVENT_BROKER_AMQP_PASSWORD, AGENTS_WORKER_AMQP_PASSWORD, …',
    )
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExit code 0: agrees. 1: differs. 2: it could not be checked.')
    .action((options: CheckOptions) => concludeCheck(() => check(options)));
}

async function check({ managementUrl, accounts, apply, json }: CheckOptions): Promise<boolean> {
  const server = readRabbitmq({ managementUrl });
  const created: AnyObject[] = [];
  const onCreated = (object: AnyObject): void => {
    created.push(object);
    if (!json) printLine(`created    ${nameOf(object)}`);
  };
  const changed: ChangedPermissions[] = [];
  const onChanged = (change: ChangedPermissions): void => {
    changed.push(change);
    if (json) return;
    for (const { property, before, after } of change.properties) {
      printLine(`changed    ${nameOf(change.object)}, ${property}: ${valueOf(before)} became ${valueOf(after)}`);
    }
  };
  const ofTopology = apply ? await applyTopology({ ...server, onCreated }) : await checkTopology(server);
  const ofAccounts = async (): Promise<AccountFinding[]> => {
    if (!apply) return checkAccounts(server);
    const passwordSetting = (name: string): string => passwordVariable(name, 'AMQP');
    return applyAccounts({ ...server, passwords: readServicePasswords('AMQP'), passwordSetting, onCreated, onChanged });
  };
  const findings = [...ofTopology, ...(accounts ? await ofAccounts() : [])];
  const agrees = findings.every(({ harmless }) => harmless);
  const counts = {
    missing: countOf(findings, 'missing'),
    different: countOf(findings, 'different'),
    extra: countOf(findings, 'extra'),
    harmless: findings.filter(({ harmless }) => harmless).length,
  };
  const url = new URL(server.amqpUrl);
  const virtualHost = virtualHostOf(url);
  if (json) print(toJson({ agrees, virtualHost, counts, created, changed, findings }, 2));
  else {
    for (const finding of findings) printLine(lineOf(finding));
    const { missing, different, extra, harmless } = counts;
    printLine(
      `${agrees ? 'AGREES' : 'DIFFERS'}: ${missing} missing, ${different} different, ${extra} extra (${harmless} harmless) ` +
        `in the virtual host ${virtualHost} of ${url.host}`,
    );
  }
  return agrees;
}

function countOf(findings: readonly Finding<AnyObject>[], wanted: Finding['kind']): number {
  return findings.filter(({ kind }) => kind === wanted).length;
}

function lineOf({ kind, object, property, catalog, actual, wayOut }: Finding<AnyObject>): string {
  const subject = property === undefined ? nameOf(object) : `${nameOf(object)}, ${property}`;
  return `${kind.padEnd(9)}  ${subject}: the catalog says ${valueOf(catalog)}, RabbitMQ has ${valueOf(actual)}. ${wayOut}`;
}

function valueOf(value: unknown): string {
  return value === null ? 'none' : JSON.stringify(value);
}

/** Anybody can name a queue, so the line must not steer the terminal. */
function printLine(line: string): void {
  print(plainLine(line));
}
