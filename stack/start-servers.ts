import { checkAmqp, checkDatabase } from './own-servers.ts';
import { choosePorts, defaultPortBase } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { startRabbitmq } from './rabbitmq.ts';
import { logFileOf } from './server-log.ts';
import type { Progress, Server } from './server.ts';
import type { StackOptions, StackServers } from './stack-options.ts';
import { startTemporal } from './temporal.ts';

export interface StartedServer {
  name: string;
  server: Server;
  logFile: string;
}

/**
 * Starts all servers at the same time and adds each to `started` as it becomes ready. When one fails, the others are given up,
 * and the error names every reason.
 */
export async function startServers(
  options: StackOptions & { onProgress: Progress; signal: AbortSignal },
  started: StartedServer[],
): Promise<StackServers> {
  const {
    directory,
    toolsDirectory,
    portBase = defaultPortBase,
    databaseUrl,
    amqpUrl,
    temporal = true,
    onProgress,
  } = options;
  const ports = await choosePorts(portBase);
  const failed = new AbortController();
  const shared = { directory, onProgress, signal: AbortSignal.any([options.signal, failed.signal]) };

  const bringUp = async <T extends Server>(name: string, start: () => Promise<T>): Promise<T> => {
    const began = Date.now();
    const server = await start();
    started.push({ name, server, logFile: logFileOf(directory, name.toLowerCase()) });
    onProgress(`${name}: ${server.way}, ready after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    return server;
  };
  const postgres = () =>
    databaseUrl === undefined
      ? bringUp('PostgreSQL', () => startPostgres({ ...shared, port: ports.postgres }))
      : checkDatabase(databaseUrl);
  const rabbitmq = () =>
    amqpUrl === undefined
      ? bringUp('RabbitMQ', () =>
          startRabbitmq({
            ...shared,
            port: ports.amqp,
            managementPort: ports.management,
            epmdPort: ports.epmd,
            distributionPort: ports.distribution,
            ...(options.broker && { broker: options.broker }),
          }),
        )
      : checkAmqp(amqpUrl, options.managementUrl);
  const temporalServer = async () =>
    temporal
      ? bringUp('Temporal', () =>
          startTemporal({
            ...shared,
            toolsDirectory,
            port: ports.temporal,
            uiPort: ports.temporalUi,
          }),
        )
      : undefined;

  const problems: string[] = [];
  const orProblem = async <T>(server: Promise<T>): Promise<T | undefined> => {
    try {
      return await server;
    } catch (error) {
      // A start that was given up because another server failed has no reason of its own.
      if (!shared.signal.aborted || error !== shared.signal.reason)
        problems.push(error instanceof Error ? error.message : String(error));
      failed.abort();
      return undefined;
    }
  };
  const [database, broker, engine] = await Promise.all([
    orProblem(postgres()),
    orProblem(rabbitmq()),
    orProblem(temporalServer()),
  ]);
  options.signal.throwIfAborted();
  if (problems.length > 0 || database === undefined || broker === undefined) throw new Error(problems.join('\n\n'));
  return {
    databaseUrl: database.url,
    amqpUrl: broker.url,
    passwordFiles: {
      ...(database.passwordFile !== undefined && { database: database.passwordFile }),
      ...(broker.passwordFile !== undefined && { amqp: broker.passwordFile }),
    },
    ...(broker.managementUrl !== undefined && { managementUrl: broker.managementUrl }),
    ...(engine !== undefined && {
      temporal: { address: engine.address, namespace: engine.namespace, uiUrl: engine.uiUrl },
    }),
  };
}
