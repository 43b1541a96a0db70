import { readdir } from 'node:fs/promises';
import type { Queryable } from './instances/view.ts';

/** The names of the migrations of this code that the database lacks. */
export async function findMissingMigrations(database: Queryable): Promise<string[]> {
  const files = await readdir(new URL('./migrations/', import.meta.url));
  const { rows } = await database.query<{ name: string }>('select name from migrations');
  const applied = new Set(rows.map(({ name }) => name));
  return files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .filter((name) => !applied.has(name))
    .toSorted();
}
