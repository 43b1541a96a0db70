import { Command } from 'commander';
import { virtualHostOf } from '../bridge/bus/connection.ts';
import { errorMessage } from '../supervision/errors.ts';
import { applyTopology, checkTopology } from '../bridge/topology-check/check-topology.ts';
import { applyAccounts, type ChangedPermissions } from '../bridge/topology-check/apply-accounts.ts';
import { checkAccounts, type AccountFinding } from '../bridge/topology-check/check-accounts.ts';
import type { Finding } from '../bridge/topology-check/findings.ts';
import { nameOf, type AccountObject, type TopologyObject } from '../bridge/bus/topology.ts';
import { findPasswordOnCommandLine } from '../configuration/command-line-passwords.ts';
import { readRabbitmq, readServicePasswords } from '../configuration/given-servers.ts';
import { passwordVariable } from '../configuration/secrets.ts';

type AnyObject = TopologyObject | AccountObject;

interface Options {
  managementUrl?: string;
  accounts?: true;
  apply?: true;
  json?: true;
}

const exitCodes = { agrees: 0, differs: 1, notChecked: 2 };

const refusal = findPasswordOnCommandLine(process.argv.slice(2));
if (refusal !== undefined) {
  process.stderr.write(`Not checked: ${refusal}\n`);
  process.exit(exitCodes.notChecked);
}

const command = new Command('npm run contracts:check --')
  .description('Compares exchanges, queues and bindings of the RabbitMQ of AMQP_URL with contracts/topology.ts.')
  .option(
    '--management-url <url>',
    "RabbitMQ's management API, without a password; RABBITMQ_MANAGEMENT_URL otherwise, which may hold user and password " +
      'where they are others, or port 15672 (15671 over TLS) of the same host',
  )
  .option(
    '--accounts',
    "also the services' users and what they may do, with contracts/access.ts; as a user with the tag administrator",
  )
  .option(
    '--apply',
    'create what is missing and, with --accounts, correct the rights of the users of the catalog; nothing else is changed, ' +
      'and nothing deleted. New users get EVENT_BROKER_AMQP_PASSWORD, AGENTS_WORKER_AMQP_PASSWORD, …',
  )
  .option('--json', 'for programs')
  .addHelpText('after', '\nExit code 0: agrees. 1: differs. 2: it could not be checked.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitCodes.notChecked))
  .parse();

process.exitCode = await check(command.opts<Options>()).catch((error: unknown) => {
  process.stderr.write(`Not checked: ${printable(errorMessage(error))}\n`);
  return exitCodes.notChecked;
});

async function check({ managementUrl, accounts, apply, json }: Options): Promise<number> {
  const server = readRabbitmq({ managementUrl });
  const created: AnyObject[] = [];
  const onCreated = (object: AnyObject): void => {
    created.push(object);
    if (!json) say(`created    ${nameOf(object)}`);
  };
  const changed: ChangedPermissions[] = [];
  const onChanged = (change: ChangedPermissions): void => {
    changed.push(change);
    if (json) return;
    for (const { property, before, after } of change.properties) {
      say(`changed    ${nameOf(change.object)}, ${property}: ${valueOf(before)} became ${valueOf(after)}`);
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
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ agrees, virtualHost, counts, created, changed, findings }, undefined, 2)}\n`,
    );
  } else {
    for (const finding of findings) say(lineOf(finding));
    const { missing, different, extra, harmless } = counts;
    say(
      `${agrees ? 'AGREES' : 'DIFFERS'}: ${missing} missing, ${different} different, ${extra} extra (${harmless} harmless) ` +
        `in the virtual host ${virtualHost} of ${url.host}`,
    );
  }
  return agrees ? exitCodes.agrees : exitCodes.differs;
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

function say(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

/** Anybody may name a queue: without what would steer a terminal, and on one line. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '');
}
