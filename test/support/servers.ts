import { resolve } from 'node:path';
import type { ProvidedContext } from 'vitest';
import type { TestProject } from 'vitest/node';
import { resetStack, startStack } from '../../stack/stack.ts';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { readGivenServers } from '../../configuration/given-servers.ts';
import { dropTemplate } from './databases.ts';
import { findRabbitmq4 } from './find-rabbitmq-4.ts';
import { givenRabbitmq4, rabbitmq4Project } from './rabbitmq-4.ts';

declare module 'vitest' {
  interface ProvidedContext {
    servers: { databaseUrl: string; amqpUrl: string; managementUrl: string; temporalAddress: string };
  }
}

/** One stack for the tests of all projects, on free ports, and one with RabbitMQ 4; each test file takes a database, a vhost and a task queue of it. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const stacks = sharedStacks();
  const name = project.name === rabbitmq4Project ? 'test-rabbitmq-4' : 'test';
  const shared = stacks.get(name) ?? { servers: start(name), users: 0 };
  stacks.set(name, shared);
  shared.users += 1;
  const { stop, ...servers } = await shared.servers;
  project.provide('servers', servers);
  return async () => {
    shared.users -= 1;
    if (shared.users === 0) await stop();
  };
}

type Servers = ProvidedContext['servers'] & { stop: () => Promise<void> };

/** By the names of their folders. Each project loads this module anew, so that a variable of it would not be shared. */
function sharedStacks(): Map<string, { servers: Promise<Servers>; users: number }> {
  const kept = globalThis as { stacksOfTheTests?: ReturnType<typeof sharedStacks> };
  return (kept.stacksOfTheTests ??= new Map());
}

async function start(name: string): Promise<Servers> {
  const directory = resolve(stackRoot, name);
  const given = readGivenServers();
  const onRelease4 = name === 'test-rabbitmq-4';
  const { amqpUrl: givenAmqpUrl, managementUrl: givenManagementUrl } = onRelease4 ? (givenRabbitmq4() ?? {}) : given;
  const onProgress = (line: string): void => void process.stdout.write(`${line}\n`);
  await resetStack(directory);
  const stack = await startStack({
    directory,
    toolsDirectory,
    portBase: 'free',
    temporal: given.temporalAddress === undefined,
    onProgress,
    ...(given.databaseUrl !== undefined && { databaseUrl: given.databaseUrl }),
    ...(givenAmqpUrl !== undefined && { amqpUrl: givenAmqpUrl }),
    ...(givenManagementUrl !== undefined && { managementUrl: givenManagementUrl }),
    ...(onRelease4 && givenAmqpUrl === undefined && { broker: await findRabbitmq4({ toolsDirectory, onProgress }) }),
  });
  const temporalAddress = given.temporalAddress ?? stack.temporal?.address;
  if (temporalAddress === undefined || stack.managementUrl === undefined) {
    await stack.stop();
    throw new Error('The tests make virtual hosts: set RABBITMQ_MANAGEMENT_URL next to AMQP_URL.');
  }
  const { databaseUrl, amqpUrl, managementUrl } = stack;
  return {
    databaseUrl,
    amqpUrl,
    managementUrl,
    temporalAddress,
    stop: async () => {
      if (given.databaseUrl !== undefined) await dropTemplate(given.databaseUrl);
      await stack.stop();
      await resetStack(directory);
    },
  };
}
