import { existsSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { chmod, mkdir, readdir, readlink, rm, stat, unlink } from 'node:fs/promises';
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

/** Which users have processes is looked up again after this time, and before a range counts as used up. */
const lookAgainMs = 60_000;

/**
 * Gives each instance a user of its own. A link `.users/<id>` to the name of the instance's folder records each claim.
 * Creating a link is atomic, so no crash leaves half a claim and no two workers make the same one. A second link,
 * `.users-by-name/<name>` to the id, is made before the claim and finds it again.
 *
 * @throws Error where the worker cannot switch users
 */
export function createAgentUsers(directory: string, { first, last }: UserRange): AgentUsers {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'AGENT_UIDS requires that agents_worker runs as root on Linux. Run it as root, or remove the setting.',
    );
  }
  const { users, byName } = placesOf(directory);
  let next = first;
  let inUse = new Set<number | undefined>();
  let lookedAtMs = -Infinity;

  async function look(): Promise<void> {
    inUse = new Set((await listProcesses()).map(({ uid }) => uid));
    lookedAtMs = performance.now();
  }

  async function claim(name: string): Promise<number> {
    for (const folder of [users, byName]) await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = await findClaim(directory, name, { isNew: !existsSync(join(directory, name)) });
    if (found !== undefined) {
      linkByName(name, found);
      return found;
    }
    for (const maxAgeMs of [lookAgainMs, 0]) {
      if (performance.now() - lookedAtMs > maxAgeMs) await look();
      const id = claimFree(name);
      if (id !== undefined) return id;
    }
    throw new RuntimeUnavailable('Every user in AGENT_UIDS of agents_worker has an agent: widen the range.');
  }

  function claimFree(name: string): number | undefined {
    for (let tried = first; tried <= last; tried += 1) {
      const id = next;
      next = id === last ? first : id + 1;
      if (!inUse.has(id) && holderOf(users, id) === undefined && take(name, id)) return id;
    }
    return undefined;
  }

  function linkByName(name: string, id: number): void {
    rmSync(join(byName, name), { force: true });
    symlinkSync(String(id), join(byName, name));
  }

  /** @returns false when another worker took the user first */
  function take(name: string, id: number): boolean {
    linkByName(name, id);
    try {
      symlinkSync(name, join(users, String(id)));
      return true;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
      return false;
    }
  }

  return {
    find: (name) => findAgentUser(directory, name),
    async claim(name) {
      await mkdir(directory, { recursive: true });
      // Agents may enter the directory, but not list it.
      await chmod(directory, 0o711);
      await assertEnterable(directory);
      return claim(name);
    },
    async release(name) {
      const id = await findClaim(directory, name);
      if (id !== undefined) await unlink(join(users, String(id)));
      await rm(join(byName, name), { force: true });
    },
  };
}

/** The user that an instance of the folder has, if any. */
export function findAgentUser(directory: string, name: string): Promise<number | undefined> {
  return findClaim(directory, name);
}

/**
 * The claim of an instance. Without a link by its name, all claims are read, because an earlier release made only those; but not for an
 * instance that is new.
 */
async function findClaim(directory: string, name: string, { isNew = false } = {}): Promise<number | undefined> {
  const { users, byName } = placesOf(directory);
  const link = await readlink(join(byName, name)).catch(unlessMissing);
  if (link !== undefined && holderOf(users, Number(link)) === name) return Number(link);
  if (link === undefined && isNew) return undefined;
  return [...(await holdersIn(users))].find(([, holder]) => holder === name)?.[0];
}

const placesOf = (directory: string) => ({
  users: join(directory, '.users'),
  byName: join(directory, '.users-by-name'),
});

/** Undefined when the user is free. */
function holderOf(users: string, id: number): string | undefined {
  try {
    return readlinkSync(join(users, String(id)));
  } catch (error) {
    return errorCode(error) === 'EINVAL' ? '' : unlessMissing(error);
  }
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
