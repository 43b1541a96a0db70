import { readdirSync, readFileSync } from 'node:fs';

/** False where the system has no `/proc`: the rows of CPU time are then left out. */
export const hasCpuTimes = process.platform === 'linux';

/** CPU time so far, in ms. */
export interface CpuTime {
  /** Of a process and all that it started, as far as they are alive. */
  alive: number;
  /** Of what these processes started and that has ended. */
  ended: number;
}

/** Linux gives times in ticks of 1/100 s to programs, whatever its own clock does. */
const msPerTick = 10;

interface Entry {
  pid: number;
  parent: number;
  own: number;
  ofEndedChildren: number;
}

/** The CPU time of a process and of its descendants. */
export function cpuTimeOf(pid: number): CpuTime {
  const table = readTable();
  const family = table.filter((entry) => entry.pid === pid);
  for (let found = family; found.length > 0;) {
    const parents = new Set(found.map((entry) => entry.pid));
    found = table.filter(({ parent }) => parents.has(parent));
    family.push(...found);
  }
  return {
    alive: family.reduce((total, { own }) => total + own, 0),
    ended: family.reduce((total, { ofEndedChildren }) => total + ofEndedChildren, 0),
  };
}

function readTable(): Entry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [parse(Number(name), readFileSync(`/proc/${name}/stat`, 'latin1'))];
      } catch {
        // The process has ended meanwhile.
        return [];
      }
    });
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function parse(pid: number, stat: string): Entry {
  // The name of the program, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15).map(Number);
  return {
    pid,
    parent: Number(fields[1]),
    own: (utime + stime) * msPerTick,
    ofEndedChildren: (cutime + cstime) * msPerTick,
  };
}
