import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { endLeftServers } from '../../stack/left-servers.ts';
import { acquireLock } from '../../stack/lock.ts';
import { stackRoot } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { referenceProcess } from '../../stack/process-reference.ts';
import { readGivenServers } from '../../configuration/given-servers.ts';
import { dropTemplate } from './databases.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

/** PostgreSQL alone, for a project that needs no other server; each test file makes a database of its own. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const { databaseUrl } = readGivenServers();
  if (databaseUrl !== undefined) {
    project.provide('postgresUrl', databaseUrl);
    return () => dropTemplate(databaseUrl);
  }
  const directory = resolve(stackRoot, `test-${project.name}`);
  const own = referenceProcess(process.pid);
  if (!own) throw new Error('This process does not find itself among those that run.');
  const release = await acquireLock(directory, { host: own, foreground: own });
  const removeAll = (): void => {
    rmSync(directory, { recursive: true, force: true });
    release();
  };
  try {
    // Of a run that was killed.
    await endLeftServers(directory);
    rmSync(resolve(directory, 'postgres'), { recursive: true, force: true });
    const server = await startPostgres({ directory, ports: await choosePorts('free'), temporaryData: true });
    project.provide('postgresUrl', server.url);
    return async () => {
      await server.stop();
      removeAll();
    };
  } catch (error) {
    await endLeftServers(directory);
    removeAll();
    throw error;
  }
}
