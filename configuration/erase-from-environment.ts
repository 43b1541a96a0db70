import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs';

/**
 * Overwrites the values of variables in `/proc/<pid>/environ` of this process and its children, among which is the compiler of tsx.
 * Changing `process.env` does not do this, because Linux shows the memory that the process started with. Afterwards the variables are
 * empty in `process.env` as well. Values that cannot be overwritten stay.
 */
export function eraseFromEnvironment(names: readonly string[]): void {
  if (process.platform !== 'linux') return;
  for (const pid of [process.pid, ...childrenOf(process.pid)]) {
    try {
      erase(pid, names);
    } catch {
      // The process has ended, or the host forbids the access.
    }
  }
}

function erase(pid: number, names: readonly string[]): void {
  const fields = statOf(pid);
  // Fields 50 and 51 of proc(5) are the addresses where the environment begins and ends.
  const [begin, end] = [fields(50), fields(51)].map(Number);
  if (!begin || !end || end <= begin) return;
  const memory = openSync(`/proc/${pid}/mem`, 'r+');
  try {
    const block = Buffer.alloc(end - begin);
    const length = readSync(memory, block, 0, block.length, begin);
    let at = 0;
    for (const entry of block.subarray(0, length).toString('latin1').split('\0')) {
      const name = names.find((candidate) => entry.startsWith(`${candidate}=`));
      const value = entry.length - (name?.length ?? 0) - 1;
      if (name !== undefined && value > 0)
        writeSync(memory, Buffer.alloc(value), 0, value, begin + at + name.length + 1);
      at += entry.length + 1;
    }
  } finally {
    closeSync(memory);
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return Number.isInteger(pid) && Number(statOf(pid)(4)) === parent;
      } catch {
        return false;
      }
    });
}

/** Fields are numbered as in proc(5). The second field, a command in parentheses, may itself contain spaces and parentheses. */
function statOf(pid: number): (field: number) => string {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fromThird = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (field) => fromThird[field - 3] ?? '';
}
