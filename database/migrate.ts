import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';

export interface MigrateOptions {
  databaseUrl: string;
  log?: (line: string) => void;
}

/**
 * Brings the schema up to date. Safe to run by several processes at once: an advisory lock lets one work while the
 * others wait.
 *
 * @returns the names of the migrations that it ran
 */
export async function migrate({ databaseUrl, log = () => undefined }: MigrateOptions): Promise<string[]> {
  const ran = await runner({
    databaseUrl,
    dir: fileURLToPath(new URL('./migrations', import.meta.url)),
    direction: 'up',
    migrationsTable: 'migrations',
    advisoryLockMode: 'wait',
    log,
    verbose: false,
  });
  return ran.map(({ name }) => name);
}
