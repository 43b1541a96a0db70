import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';

export interface HeldFork {
  pid: number;
  /** Name of the folder of the instance whose agent the child is about to become. */
  instanceName: string;
  release(): void;
}

const forkedWithoutExec = 0x40;

/** Stops a child of the worker's launcher between fork and exec. Children whose program is already there go on. */
export async function holdFork(worker: number): Promise<HeldFork> {
  const seen = new Set<number>();
  for (;;) {
    await setImmediate();
    const fresh = readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && !seen.has(pid));
    for (const pid of fresh) {
      seen.add(pid);
      const launcher = statOf(pid)?.parent;
      if (launcher === undefined || statOf(launcher)?.parent !== worker || !isUnexecuted(pid)) continue;
      process.kill(pid, 'SIGSTOP');
      while (statOf(pid)?.state !== 'T') await setTimeout(1);
      const log = openedLogOf(pid);
      const release = (): void => void process.kill(pid, 'SIGCONT');
      if (isUnexecuted(pid) && log !== undefined) return { pid, instanceName: basename(dirname(log)), release };
      release();
    }
  }
}

export const isUnexecuted = (pid: number): boolean => ((statOf(pid)?.flags ?? 0) & forkedWithoutExec) !== 0;

/** Fields of proc(5). */
function statOf(pid: number): { state: string; parent: number; flags: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state = '', parent, , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent), flags: Number(flags) };
  } catch {
    return undefined;
  }
}

function openedLogOf(pid: number): string | undefined {
  const opened = readdirSync(`/proc/${pid}/fd`).map((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
  return opened.find((path) => path.endsWith('/agent.log'));
}
