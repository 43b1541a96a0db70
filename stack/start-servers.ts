import { errorMessage } from '../supervision/errors.ts';
import { checkAmqp, checkDatabase } from './own-servers.ts';
import { choosePorts, defaultPortBase } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { startRabbitmq } from './rabbitmq.ts';
import type { Progress, Server } from './server.ts';
import type { StackOptions, StackServers } from './stack-options.ts';
import { startTemporal } from './temporal.ts';

export interface StartedServer {
  name: string;
  server: Server;
}

interface StartOptions extends StackOptions {
  onProgress: Progress;
  signal: AbortSignal;
}

/**
 * Starts all servers at the same time and adds each to `started` as it becomes ready. When one fails, the others are given up,
 * and the error names every reason.
 */
export async function startServers(options: StartOptions, started: StartedServer[]): Promise<StackServers> {
  const { directory, toolsDirectory, databaseUrl, amqpUrl, managementUrl, broker, onProgress } = options;
  const ports = await choosePorts(options.portBase ?? defaultPortBase);
  const failed = new AbortController();
  const { temporaryData } = options;
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const shared = { directory, ports, temporaryData, onProgress, signal };
  const problems: string[] = [];

  const orProblem = async <T>(start: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await start();
    } catch (error) {
      // A start that was given up because another server failed has no reason of its own.
      if (!shared.signal.aborted || error !== shared.signal.reason) problems.push(errorMessage(error));
      failed.abort();
      return undefined;
    }
  };
  const bringUp = <T extends Server>(name: string, start: () => Promise<T>): Promise<T | undefined> =>
    orProblem(async () => {
      const began = Date.now();
      const server = await start();
      started.push({ name, server });
      onProgress(`${name}: ${server.way}, ready after ${((Date.now() - began) / 1000).toFixed(1)} s`);
      return server;
    });
  const [database, bus, temporal] = await Promise.all([
    databaseUrl === undefined
      ? bringUp('PostgreSQL', () => startPostgres(shared))
      : orProblem(() => checkDatabase(databaseUrl)),
    amqpUrl === undefined
      ? bringUp('RabbitMQ', () => startRabbitmq({ ...shared, broker }))
      : orProblem(() => checkAmqp(amqpUrl, managementUrl)),
    options.temporal === false ? undefined : bringUp('Temporal', () => startTemporal({ ...shared, toolsDirectory })),
  ]);
  options.signal.throwIfAborted();
  if (problems.length > 0 || database === undefined || bus === undefined) throw new Error(problems.join('\n\n'));
  return {
    databaseUrl: database.url,
    amqpUrl: bus.url,
    managementUrl: bus.managementUrl,
    passwordFiles: { database: database.passwordFile, amqp: bus.passwordFile },
    ...(temporal && {
      temporal: { address: temporal.address, namespace: temporal.namespace, uiUrl: temporal.uiUrl },
    }),
  };
}
