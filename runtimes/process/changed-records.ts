import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';

const uuid = z.guid();
const folderPrefix = 'instance-';
/** After this many folders, a look lets other work have its turn. One batch takes about a millisecond. */
const batch = 128;

/** The ids of the instances that have a folder. An agent that runs as the worker's user can create entries with any name. */
export function listInstanceIds(directory: string): string[] {
  return readdirSync(directory)
    .flatMap((name) => (name.startsWith(folderPrefix) ? [name.slice(folderPrefix.length)] : []))
    .filter((id) => uuid.safeParse(id).success);
}

/**
 * Finds the instances whose start record has changed since the look before. It reads no record, so a look at thousands of
 * instances takes milliseconds.
 */
export function createChangedRecords(directory: string) {
  const seen = new Map<string, string>();

  return {
    /** The first look finds every instance that has a record. */
    async look(): Promise<{ changed: string[]; removed: string[] }> {
      const ids = listInstanceIds(directory);
      const changed: string[] = [];
      const present = new Set<string>();
      for (const [index, id] of ids.entries()) {
        if (index % batch === batch - 1) await setImmediate();
        const version = versionOf(join(directory, folderPrefix + id, 'start.json'));
        if (version === undefined) continue;
        present.add(id);
        if (seen.get(id) === version) continue;
        seen.set(id, version);
        changed.push(id);
      }
      const removed = [...seen.keys()].filter((id) => !present.has(id));
      for (const id of removed) seen.delete(id);
      return { changed, removed };
    },

    /** The next look finds the instance again, because its record could not be read. */
    forget: (id: string): void => void seen.delete(id),
  };
}

/** Every write replaces the file. Undefined when there is none. */
function versionOf(file: string): string | undefined {
  try {
    const found = lstatSync(file, { throwIfNoEntry: false });
    return found && `${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`;
  } catch {
    // An agent that runs as the worker's user can make its folder unreadable.
    return 'unreadable';
  }
}
