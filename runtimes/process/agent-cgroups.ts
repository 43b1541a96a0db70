import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path/posix';
import { errorCode } from './error-code.ts';
import { findIdentity } from './host-identity.ts';
import type { InstanceFolder, StartRecord } from './instance-folder.ts';
import { isAlive } from './process-table.ts';

/** Where a cgroup is: the mount point of the hierarchy, and the path of the cgroup below it. */
interface CgroupPlace {
  mount: string;
  path: string;
}

export type AgentCgroup = ReturnType<typeof agentCgroup>;

/** The cgroups of the agents of one host, which are below the cgroup of the worker. */
export interface HostCgroups {
  /** The folder of the worker's own cgroup, in which the launcher is as well. */
  readonly home: string;
  of: (name: string) => AgentCgroup;
}

/** The id of the host follows, so that two hosts of one machine never share a cgroup. */
const hostPrefix = 'agents-';

/**
 * The cgroups of a host, where this process may make cgroups below its own one and move itself into them. Undefined elsewhere, as in most
 * containers, and on systems without cgroup v2 or with a Linux before 5.14.
 */
export function openHostCgroups(hostId: string): HostCgroups | undefined {
  const own = ownPlace();
  if (!own) return undefined;
  const home = join(own.mount, own.path);
  const host = join(own.path, `${hostPrefix}${hostId}`);
  // Another worker may make or remove the cgroup of the host at the same time.
  const probe = join(own.mount, `${host}.${process.pid}`);
  try {
    // Moves this process to where it is, which needs the rights that the launcher needs to come back.
    enter(home);
    mkdirSync(probe, { recursive: true });
    try {
      accessSync(join(probe, 'cgroup.kill'), constants.W_OK);
    } finally {
      removeEmpty(probe);
    }
  } catch {
    return undefined;
  }
  return { home, of: (name) => agentCgroup({ mount: own.mount, path: join(host, name) }) };
}

/**
 * The cgroup that a start record names. Undefined unless it is one for this instance and of this host, because an agent of the worker's user
 * may have changed the record. A host that lost its identity and got another one goes on using a cgroup while the agent is in it.
 */
export async function findRecordedCgroup(
  { name, path: folder }: Pick<InstanceFolder, 'name' | 'path'>,
  { cgroup: path, process: leader }: Pick<StartRecord, 'cgroup' | 'process'>,
): Promise<AgentCgroup | undefined> {
  const own = path === undefined ? undefined : ownPlace();
  if (path === undefined || !own || normalize(path) !== path || basename(path) !== name) return undefined;
  const host = basename(dirname(path));
  if (!host.startsWith(hostPrefix)) return undefined;
  const cgroup = agentCgroup({ mount: own.mount, path });
  const hostId = await findIdentity(dirname(folder)).catch(() => undefined);
  const isOfHost = host === `${hostPrefix}${hostId}`;
  return isOfHost || (leader && isAlive(leader) && cgroup.members().includes(leader.pid)) ? cgroup : undefined;
}

/**
 * The cgroup of an agent. Each process that an agent starts is in it, whatever its group, session, user and environment. Its user needs
 * the worker's rights to leave it.
 */
function agentCgroup({ mount, path }: CgroupPlace) {
  const directory = join(mount, path);

  return {
    /** For the start record. */
    path,
    directory,

    state(): 'missing' | 'empty' | 'populated' {
      const events = read(directory, 'cgroup.events');
      if (events === undefined) return 'missing';
      return /^populated 0$/m.test(events) ? 'empty' : 'populated';
    },

    make(): void {
      mkdirSync(directory, { recursive: true, mode: 0o755 });
    },

    /** The pids of all processes, also of those in cgroups that the agent made below. */
    members: (): number[] => treeOf(directory).flatMap(membersOf),

    /**
     * Sends SIGKILL to every process, also to those that are started meanwhile. Does nothing without the right to, as in a cgroup that
     * another user's worker made.
     */
    kill(): void {
      try {
        write(directory, 'cgroup.kill', '1');
      } catch (error) {
        unlessRefused(error);
      }
    },

    /** Removes the empty cgroup, and the one of the host after the last agent. What cannot be removed does no harm. */
    remove(): void {
      for (const each of [...treeOf(directory).toReversed(), dirname(directory)]) removeEmpty(each);
    },
  };
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    // It holds another cgroup or a process.
    if (errorCode(error) !== 'EBUSY' && errorCode(error) !== 'ENOTEMPTY') unlessRefused(error);
  }
}

/** A cgroup and all below it, the outer before the inner ones. */
function treeOf(directory: string): string[] {
  const found = [directory];
  for (const each of found) {
    try {
      const inner = readdirSync(each, { withFileTypes: true }).filter((entry) => entry.isDirectory());
      found.push(...inner.map(({ name }) => join(each, name)));
    } catch (error) {
      unlessGone(error);
    }
  }
  return found;
}

function membersOf(directory: string): number[] {
  const lines = read(directory, 'cgroup.procs')?.split('\n') ?? [];
  return lines.map(Number).filter((pid) => pid > 0);
}

/** Undefined when the cgroup is gone, or holds threads only, which the cgroup above lists. */
function read(directory: string, file: string): string | undefined {
  try {
    return readFileSync(join(directory, file), 'utf8');
  } catch (error) {
    return errorCode(error) === 'EOPNOTSUPP' ? undefined : unlessGone(error);
  }
}

/** Moves this process into a cgroup. */
function enter(directory: string): void {
  write(directory, 'cgroup.procs', '0');
}

function write(directory: string, file: string, text: string): void {
  const opened = openSync(join(directory, file), constants.O_WRONLY);
  try {
    writeSync(opened, text);
  } finally {
    closeSync(opened);
  }
}

/** A cgroup that is removed while it is read is `ENODEV`. */
function unlessGone(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENODEV') throw error;
}

function unlessRefused(error: unknown): undefined {
  if (!['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) unlessGone(error);
}

let own: { place: CgroupPlace | undefined } | undefined;

/** The cgroup of this process when it looked first. */
function ownPlace(): CgroupPlace | undefined {
  own ??= { place: process.platform === 'linux' ? lookUpOwnPlace() : undefined };
  return own.place;
}

function lookUpOwnPlace(): CgroupPlace | undefined {
  try {
    return placeIn(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * The place of the cgroup that `/proc/self/cgroup` names, in a mount of cgroup v2 that `/proc/self/mountinfo` lists. Undefined where the
 * cgroup is not below any such mount. See proc_pid_mountinfo(5) and cgroups(7).
 */
export function placeIn(mountinfo: string, cgroup: string): CgroupPlace | undefined {
  const path = /^0::(\/.*)$/m.exec(cgroup)?.[1];
  if (path === undefined) return undefined;
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    if (!right.startsWith('cgroup2 ')) continue;
    const [root = '', mount = ''] = left.split(' ').slice(3, 5).map(unescape);
    const isBelow = path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
    if (isBelow) return { mount, path: join('/', path.slice(root.length)) };
  }
  return undefined;
}

/** Blanks in paths are octal. */
const unescape = (text: string): string =>
  text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8)));
