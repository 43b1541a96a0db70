import { resolve } from 'node:path';
import type { ProvidedContext } from 'vitest';
import type { TestProject } from 'vitest/node';
import { resetStack, startStack, type Stack } from '../../stack/stack.ts';
import type { StackOptions } from '../../stack/stack-options.ts';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { readGivenServers } from '../../configuration/given-servers.ts';
import { dropTemplate } from './databases.ts';
import { findRabbitmq4 } from './find-rabbitmq-4.ts';
import { oncePerRun } from './once-per-run.ts';
import { givenRabbitmq4, rabbitmq4Project } from './rabbitmq-4.ts';

declare module 'vitest' {
  interface ProvidedContext {
    servers: { databaseUrl: string; amqpUrl: string; managementUrl: string; temporalAddress: string };
  }
}

type Servers = ProvidedContext['servers'];

interface Shared {
  servers: Servers;
  stop: () => Promise<void>;
}

/**
 * Brings up one stack for the tests of all projects, on free ports: each test file takes a database, a virtual host and a task
 * queue of it. The project of RabbitMQ 4 has a broker of its own, and shares PostgreSQL and Temporal with the others.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const run = await oncePerRun('servers', async () => ({ users: 0, stops: [] as Shared['stop'][] }));
  run.users += 1;
  const share = (name: string, start: () => Promise<Shared>): Promise<Servers> =>
    oncePerRun(name, async () => {
      const { servers, stop } = await start();
      run.stops.push(stop);
      return servers;
    });
  const main = share('main servers', startMain);
  const onRelease4 = project.name === rabbitmq4Project;
  project.provide('servers', await (onRelease4 ? share('RabbitMQ 4', () => startRabbitmq4(main)) : main));
  return async () => {
    run.users -= 1;
    if (run.users === 0) for (const stop of run.stops.toReversed()) await stop();
  };
}

async function startMain(): Promise<Shared> {
  const { databaseUrl, amqpUrl, managementUrl, temporalAddress } = readGivenServers();
  const { stack, stop } = await open('test', {
    temporal: temporalAddress === undefined,
    ...(databaseUrl !== undefined && { databaseUrl }),
    ...(amqpUrl !== undefined && { amqpUrl }),
    ...(managementUrl !== undefined && { managementUrl }),
  });
  return {
    servers: { ...serversOf(stack), temporalAddress: temporalAddress ?? stack.temporal?.address ?? '' },
    stop: async () => {
      if (databaseUrl !== undefined) await dropTemplate(databaseUrl);
      await stop();
    },
  };
}

async function startRabbitmq4(main: Promise<Servers>): Promise<Shared> {
  const { databaseUrl, temporalAddress } = await main;
  const { stack, stop } = await open('test-rabbitmq-4', {
    databaseUrl,
    temporal: false,
    ...(givenRabbitmq4() ?? { broker: await findRabbitmq4({ toolsDirectory, onProgress }) }),
  });
  return { servers: { ...serversOf(stack), temporalAddress }, stop };
}

async function open(name: string, options: Partial<StackOptions>): Promise<{ stack: Stack; stop: Shared['stop'] }> {
  const directory = resolve(stackRoot, name);
  await resetStack(directory);
  const stack = await startStack({
    directory,
    toolsDirectory,
    portBase: 'free',
    temporaryData: true,
    onProgress,
    ...options,
  });
  const stop = async (): Promise<void> => {
    await stack.stop();
    await resetStack(directory);
  };
  if (stack.managementUrl === undefined) {
    await stop();
    throw new Error('The tests make virtual hosts: set RABBITMQ_MANAGEMENT_URL next to AMQP_URL.');
  }
  return { stack, stop };
}

function serversOf({ databaseUrl, amqpUrl, managementUrl = '' }: Stack): Omit<Servers, 'temporalAddress'> {
  return { databaseUrl, amqpUrl, managementUrl };
}

function onProgress(line: string): void {
  process.stdout.write(`${line}\n`);
}
