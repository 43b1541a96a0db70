import { chmod, mkdir, readdir, readlink, stat, symlink, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RuntimeUnavailable } from '../runtime.ts';
import { errorCode } from './error-code.ts';
import { listProcesses } from './process-table.ts';
import { unlessMissing } from './safe-files.ts';

/** A range of user ids that nobody else on the host uses. The group ids of the same numbers belong to the agents as well. */
export interface UserRange {
  first: number;
  last: number;
}

export interface AgentUsers {
  /** Gives the instance a user until `release`. @throws RuntimeUnavailable when no user is free */
  claim: (name: string) => Promise<number>;
  find: (name: string) => Promise<number | undefined>;
  /** Must be called only when no process of the instance runs. */
  release: (name: string) => Promise<void>;
}

/**
 * Gives each instance a user of its own. A link `.users/<id>` to the name of the instance's folder records each claim.
 * Creating a link is atomic, so no crash leaves half a claim and no two workers make the same one.
 *
 * @throws Error where the worker cannot switch users
 */
export function createAgentUsers(directory: string, { first, last }: UserRange): AgentUsers {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'AGENT_UIDS requires that agents_worker runs as root on Linux. Run it as root, or remove the setting.',
    );
  }
  const users = join(directory, '.users');
  const find = (name: string): Promise<number | undefined> => findAgentUser(directory, name);

  async function claim(name: string): Promise<number> {
    await mkdir(users, { recursive: true, mode: 0o700 });
    const taken = await holdersIn(users);
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
    throw new RuntimeUnavailable('Every user in AGENT_UIDS of agents_worker has an agent: widen the range.');
  }

  return {
    find,
    async claim(name) {
      await mkdir(directory, { recursive: true });
      // Agents may enter the directory, but not list it.
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

/** The user that an instance of the folder has, if any. */
export async function findAgentUser(directory: string, name: string): Promise<number | undefined> {
  const holders = await holdersIn(join(directory, '.users'));
  return [...holders].find(([, holder]) => holder === name)?.[0];
}

async function holdersIn(users: string): Promise<Map<number, string>> {
  const ids = await readdir(users).catch(unlessMissing);
  const entries = (ids ?? []).map(async (id) => [Number(id), await readlink(join(users, id)).catch(() => '')] as const);
  return new Map(await Promise.all(entries));
}

/** Agents reach their folders only if they may enter every folder above. */
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
