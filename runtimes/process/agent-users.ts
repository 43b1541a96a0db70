import { chmod, mkdir, readdir, readlink, stat, symlink, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RuntimeUnavailable } from '../runtime.ts';
import { errorCode } from './error-code.ts';
import { listProcesses } from './process-table.ts';

/** Ids of users that nobody else on the host has; the groups of the same numbers are the agents', too. */
export interface UserRange {
  first: number;
  last: number;
}

export interface AgentUsers {
  /** The user of an instance, which no other has until `release`. @throws RuntimeUnavailable when none is free */
  claim: (name: string) => Promise<number>;
  find: (name: string) => Promise<number | undefined>;
  /** To be called once nothing runs for the instance. */
  release: (name: string) => Promise<void>;
}

/**
 * Gives each instance a user of its own. Who has which is kept as a link `.users/<id>` to the name of the instance's
 * folder: making a link is one step, so no crash leaves half a claim and no two workers make the same one.
 *
 * @throws Error where users cannot be given
 */
export function createAgentUsers(directory: string, { first, last }: UserRange): AgentUsers {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('AGENT_UIDS needs agents_worker to run as root on Linux: start it so, or leave the setting out.');
  }
  const users = join(directory, '.users');

  async function holders(): Promise<Map<number, string>> {
    await mkdir(users, { recursive: true, mode: 0o700 });
    const entries = await Promise.all(
      (await readdir(users)).map(async (id) => [Number(id), await readlink(join(users, id)).catch(() => '')] as const),
    );
    return new Map(entries);
  }

  async function find(name: string): Promise<number | undefined> {
    return [...(await holders())].find(([, holder]) => holder === name)?.[0];
  }

  async function claim(name: string): Promise<number> {
    const taken = await holders();
    for (const [id, holder] of taken) if (holder === name) return id;
    const inUse = new Set((await listProcesses()).map(({ uid }) => uid));
    for (let id = first; id <= last; id += 1) {
      if (taken.has(id) || inUse.has(id)) continue;
      try {
        await symlink(name, join(users, String(id)));
        return id;
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
    }
    throw new RuntimeUnavailable('Every user of AGENT_UIDS of agents_worker has an agent: widen the range.');
  }

  return {
    find,
    async claim(name) {
      await mkdir(directory, { recursive: true });
      // Agents enter it and see no names in it.
      await chmod(directory, 0o711);
      await assertEnterable(directory);
      return claim(name);
    },
    async release(name) {
      const id = await find(name);
      if (id !== undefined) await unlink(join(users, String(id)));
    },
  };
}

/** Agents must reach their folders, and so be able to enter each folder above. */
async function assertEnterable(directory: string): Promise<void> {
  for (let path = directory; path !== dirname(path); path = dirname(path)) {
    const { mode } = await stat(path);
    if ((mode & 0o001) === 0) {
      throw new RuntimeUnavailable(
        'With AGENT_UIDS, every folder above RUNTIME_DIRECTORY of agents_worker must let any user enter: chmod o+x.',
        { cause: new Error(`Others cannot enter ${path}`) },
      );
    }
  }
}
