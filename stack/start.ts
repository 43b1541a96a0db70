import { errorMessage } from '../supervision/errors.ts';
import { migrate } from '../database/migrate.ts';
import { findPasswordOnCommandLine } from '../configuration/command-line-passwords.ts';
import { readConfiguration } from '../configuration/configuration.ts';
import { readGivenServers } from '../configuration/given-servers.ts';
import { noteRunningStart } from '../configuration/running-start.ts';
import { openLogger } from '../workers/open-logger.ts';
import { useLoggerInTemporal } from '../workers/temporal-runtime.ts';
import { startAdminBackend } from '../workers/services/admin-backend.ts';
import { startAgentsWorker } from '../workers/services/agents-worker.ts';
import { startEventBroker } from '../workers/services/event-broker.ts';
import { startUserBackend } from '../workers/services/user-backend.ts';
import { endAgents } from '../runtimes/process/end-agents.ts';
import { backendSettings, pageAddresses } from './backend-settings.ts';
import { ensureExampleInstance, publishExampleAgent } from './example.ts';
import { agentsDirectory, developmentDirectory, toolsDirectory } from './paths.ts';
import { openServiceLogins } from './service-logins.ts';
import { startStack } from './stack.ts';
import { printLife } from './print-life.ts';

/** Steps that undo the start; the last one added runs first. */
const undo: (() => Promise<unknown>)[] = [];
let ending: Promise<void> | undefined;

process.once('SIGINT', () => void end(0, 'Stopping …'));
process.once('SIGTERM', () => void end(0, 'Stopping …'));

try {
  await start();
} catch (error) {
  await end(1, `\n${errorMessage(error)}`);
}

async function start(): Promise<void> {
  const refusal = findPasswordOnCommandLine(process.argv.slice(2));
  if (refusal !== undefined) throw new Error(refusal);
  const given = readGivenServers();
  const directory = developmentDirectory(given.stackDirectory);
  const agents = agentsDirectory(directory);
  say('Bringing the servers up …');
  const { portBase, databaseUrl, amqpUrl, managementUrl } = given;
  const stack = await startStack({
    directory,
    toolsDirectory,
    portBase,
    databaseUrl,
    amqpUrl,
    managementUrl,
    temporal: given.temporalAddress === undefined,
    onProgress: (line) => say(`  ${line}`),
  });
  undo.push(() => stack.stop());

  const settings = {
    DATABASE_URL: stack.databaseUrl,
    AMQP_URL: stack.amqpUrl,
    RUNTIME_DIRECTORY: agents,
    // Any free ports: nobody asks for health here, and another checkout may run at the same time.
    EVENT_BROKER_HEALTH_PORT: '0',
    AGENTS_WORKER_HEALTH_PORT: '0',
    USER_BACKEND_HEALTH_PORT: '0',
    ADMIN_BACKEND_HEALTH_PORT: '0',
    ...(stack.temporal && {
      TEMPORAL_ADDRESS: stack.temporal.address,
      TEMPORAL_NAMESPACE: stack.temporal.namespace,
    }),
  };
  const configuration = readConfiguration(settings);
  const ran = await migrate({ databaseUrl: configuration.databaseDirectUrl });
  say(ran.length > 0 ? `Database: ran ${ran.join(', ')}` : 'Database: up to date');

  const logins = await openServiceLogins(stack, given);
  const logger = openLogger({ name: 'engine', level: 'warn' });
  useLoggerInTemporal(logger);
  const onFatal = (error: Error): void => void end(1, `\n${errorMessage(error)}`);
  const backends = await backendSettings({ directory, portBase, servers: stack, settings });
  say('Starting event_broker, agents_worker, user_backend and admin_backend …');
  undo.push(() => endAgents(agents));
  for (const [name, startService] of [
    ['event_broker', startEventBroker],
    ['agents_worker', startAgentsWorker],
    ['user_backend', startUserBackend],
    ['admin_backend', startAdminBackend],
  ] as const) {
    const own = readConfiguration({ ...settings, ...backends.settings, ...logins[name] });
    const service = await startService({ configuration: own, logger, onFatal });
    undo.push(() => service.stop());
    await service.ready();
  }
  undo.push(await noteRunningStart(directory, readConfiguration({ ...settings, ...backends.settings })));

  const life = await printLife(configuration.amqpUrl, say);
  undo.push(() => life.close());
  await publishExampleAgent(configuration.databaseUrl);
  const instance = await ensureExampleInstance(configuration.databaseUrl);
  say(
    instance.isNew
      ? `Inserted the instance ${instance.id}; its life on the bus:`
      : `Found the instance ${instance.id} of an earlier start, which was ${instance.status}; its life on the bus:`,
  );
  await life.untilRunning(instance.id);
  const addresses = await pageAddresses(backends);

  say('');
  say(`The instance is running. Ctrl-C stops everything; the next \`npm start\` finds its data again.`);
  say('');
  addresses.forEach(say);
  say('');
  say(`  user_backend          ${backends.pageUrl}/openapi.json`);
  say(`  admin_backend         ${backends.adminUrl}/openapi.json`);
  if (stack.temporal) {
    const workflow = encodeURIComponent(`instance/${instance.id}`);
    say(`  Temporal Web UI       ${stack.temporal.uiUrl}`);
    say(`  its workflow          ${stack.temporal.uiUrl}/namespaces/${stack.temporal.namespace}/workflows/${workflow}`);
  }
  say(`  PostgreSQL            ${printableUrl(stack.databaseUrl, stack.passwordFiles?.database)}`);
  say(`  RabbitMQ              ${printableUrl(stack.amqpUrl)}`);
  if (stack.managementUrl) say(`  RabbitMQ management   ${stack.managementUrl}`);
  if (stack.passwordFiles?.amqp) say(`                        its password is in ${stack.passwordFiles.amqp}`);
  say('');
  say(`Or in a terminal: npx instances --help`);
}

async function end(exitCode: number, message: string): Promise<void> {
  ending ??= (async () => {
    say(message);
    for (const step of undo.toReversed()) {
      await step().catch((error: unknown) => say(`While stopping: ${errorMessage(error)}`));
    }
    process.exit(exitCode);
  })();
  await ending;
}

/** Leaves the password out, which a terminal keeps and a command line shows to every user; psql reads it from the file. */
function printableUrl(url: string, passwordFile?: string): string {
  const printable = Object.assign(new URL(url), { password: '' });
  if (passwordFile !== undefined) printable.searchParams.set('passfile', passwordFile);
  return printable.href.replaceAll('%2F', '/');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
