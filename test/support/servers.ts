import { resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { resetStack, startStack } from '../../stack/stack.ts';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { readGivenServers } from '../../workers/configuration.ts';
import { givenRabbitmq4, rabbitmq4Project } from './rabbitmq-4.ts';

declare module 'vitest' {
  interface ProvidedContext {
    servers: { databaseUrl: string; amqpUrl: string; managementUrl: string; temporalAddress: string };
  }
}

/** One stack for all tests of a project, on free ports; each test file takes a database, a vhost and a task queue of it. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const directory = resolve(stackRoot, `test-${project.name}`);
  const given = readGivenServers();
  const onRelease4 = project.name === rabbitmq4Project;
  const { amqpUrl: givenAmqpUrl, managementUrl: givenManagementUrl } = onRelease4 ? (givenRabbitmq4() ?? {}) : given;
  await resetStack(directory);
  const stack = await startStack({
    directory,
    toolsDirectory,
    portBase: 'free',
    temporal: given.temporalAddress === undefined,
    onProgress: (line) => process.stdout.write(`${line}\n`),
    ...(given.databaseUrl !== undefined && { databaseUrl: given.databaseUrl }),
    ...(givenAmqpUrl !== undefined && { amqpUrl: givenAmqpUrl }),
    ...(givenManagementUrl !== undefined && { managementUrl: givenManagementUrl }),
    ...(onRelease4 && { rabbitmq: '4' }),
  });
  const temporalAddress = given.temporalAddress ?? stack.temporal?.address;
  if (temporalAddress === undefined || stack.managementUrl === undefined) {
    await stack.stop();
    throw new Error('The tests make virtual hosts: set RABBITMQ_MANAGEMENT_URL next to AMQP_URL.');
  }
  const { databaseUrl, amqpUrl, managementUrl } = stack;
  project.provide('servers', { databaseUrl, amqpUrl, managementUrl, temporalAddress });
  return async () => {
    await stack.stop();
    await resetStack(directory);
  };
}
