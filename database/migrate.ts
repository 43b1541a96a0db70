import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import { createClient } from './engine-client.ts';
import { migrationLimits } from './time-limits.ts';

export interface MigrateOptions {
  /** Address of the server itself: the lock of the migrations would be lost behind a pooler of transactions. */
  databaseUrl: string;
  log?: (line: string) => void;
  /** How long anything may wait for a lock that another session holds. */
  lockMs?: number;
}

/**
 * Brings the schema up to date. Safe to run by several processes at once: an advisory lock lets one work while the
 * others wait. Any login could hold that lock, so the wait is bounded.
 *
 * @returns the names of the migrations that it ran
 * @throws Error saying what to do when a pooler answers, or when a lock could not be had
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const { databaseUrl, log = () => undefined, lockMs = migrationLimits.session.lockMs ?? 0 } = options;
  const client = createClient(
    {
      connectionString: databaseUrl,
      application_name: 'migrate',
      connectionTimeoutMillis: migrationLimits.connectMs,
      keepAlive: true,
    },
    { ...migrationLimits.session, lockMs },
  );
  // The query in hand, or the next one, fails with an error of its own.
  client.on('error', () => undefined);
  try {
    await client.connect();
    if (client.isPooled) {
      throw new Error(
        `A connection pooler answers at ${new URL(databaseUrl).host}, but migrations need a connection of their own. ` +
          'Set DATABASE_DIRECT_URL to the address of PostgreSQL itself.',
      );
    }
    const ran = await runner({
      dbClient: client,
      dir: fileURLToPath(new URL('./migrations', import.meta.url)),
      direction: 'up',
      migrationsTable: 'migrations',
      advisoryLockMode: 'wait',
      log,
      verbose: false,
    });
    return ran.map(({ name }) => name);
  } catch (error) {
    throw (error as { code?: string }).code === lockNotAvailable ? explained(error, lockMs) : error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const lockNotAvailable = '55P03';

function explained(error: unknown, lockMs: number): Error {
  return new Error(
    `The migrations waited ${lockMs / 1_000} s for a lock that another session holds, perhaps another migration. ` +
      'Run them again once it has ended. Who holds locks: ' +
      'select pid, usename, application_name, locktype, relation::regclass from pg_locks join pg_stat_activity using (pid) ' +
      'where granted and pid <> pg_backend_pid()',
    { cause: error },
  );
}
