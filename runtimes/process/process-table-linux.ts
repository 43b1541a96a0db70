import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { InstanceMarks, MarkedProcess, ProcessEntry } from './process-entry.ts';

/** After this many processes, a scan lets other work have its turn. One batch takes about a millisecond. */
const scanBatch = 64;

/** Flags of proc(5), field 9: https://github.com/torvalds/linux/blob/v6.1/include/linux/sched.h */
const flag = { exiting: 0x4, forkedWithoutExec: 0x40, kernelThread: 0x20_0000 };

/** The variable that a launcher has in its environment. */
export const launcherMark = 'AGENT_LAUNCHER';

/** The longest wait, in milliseconds, for a process in the middle of execve(2). */
const maxExecutionMs = 2_000;

let bootId: string | undefined;

interface Inspected extends ProcessEntry {
  flags: number;
  /**
   * Where the code and the stack of its program begin, which is random. Undefined in the middle of execve(2), because the kernel notes
   * this last.
   */
  program: string | undefined;
}

/** Reads /proc/<pid>/stat. Undefined when there is no such process. */
export function inspectBySystemFiles(pid: number): ProcessEntry | undefined {
  return entryOf(inspect(pid));
}

/** The same from the text of /proc/<pid>/stat. */
export function readStatEntry(pid: number, stat: string): ProcessEntry | undefined {
  return entryOf(readStat(pid, stat));
}

function entryOf(found: Inspected | undefined): ProcessEntry | undefined {
  if (!found) return undefined;
  const { flags: _, program: __, ...entry } = found;
  return entry;
}

/** What is read of a process once for each program that it executes. */
interface ProgramMarks extends InstanceMarks {
  startedAt: string;
  program: string | undefined;
  uid?: number;
}

let marksOfPids = new Map<number, ProgramMarks>();

export async function listBySystemFiles(): Promise<MarkedProcess[]> {
  const found: MarkedProcess[] = [];
  const marks = new Map<number, ProgramMarks>();
  for (const [index, pid] of allPids().entries()) {
    if (index % scanBatch === scanBatch - 1) await setImmediate();
    const inspected = inspect(pid);
    if (!inspected || inspected.zombie) continue;
    const { startedAt, program } = inspected;
    const known = marksOfPids.get(pid);
    const isSame = program !== undefined && known?.program === program && known.startedAt === startedAt;
    const mark = isSame ? known : { startedAt, program, ...(await readInstanceMarks(pid)), ...userOf(pid) };
    marks.set(pid, mark);
    const { flags: _, program: __, ...entry } = inspected;
    const { program: ___, ...rest } = mark;
    found.push({ ...entry, ...rest });
  }
  marksOfPids = marks;
  return found;
}

/** The marks of an instance in the environment that a process was started with. */
export async function readInstanceMarks(pid: number): Promise<InstanceMarks> {
  return marksIn(await environmentOf(pid));
}

/** Pids of the processes for which `mayStart` is true. */
export function listStartsBySystemFiles(instanceName: string): number[] {
  return allPids().filter((pid) => mayStart(pid, instanceName));
}

/**
 * Whether a process may still become the agent of the instance, because it has executed no program since it was forked, and was not
 * forked by a process of the instance; or may start the agent, because it is a launcher.
 */
export function mayStart(pid: number, instanceName: string): boolean {
  const found = inspect(pid);
  if (!found || found.zombie) return false;
  const environment = read(`/proc/${pid}/environ`);
  const starts = (found.flags & flag.forkedWithoutExec) !== 0 || valueIn(environment, launcherMark) !== undefined;
  return starts && marksIn(environment).instanceName !== instanceName;
}

const allPids = (): number[] => readdirSync('/proc').map(Number).filter(Number.isInteger);

function inspect(pid: number): Inspected | undefined {
  const stat = read(`/proc/${pid}/stat`)?.toString('latin1');
  return stat === undefined ? undefined : readStat(pid, stat);
}

function readStat(pid: number, stat: string): Inspected {
  // The second field is the command in parentheses, which may contain parentheses. Fields are numbered as in proc(5).
  const fromThirdField = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): string => fromThirdField[number - 3] ?? '';
  // The start time is counted from the boot, so it identifies a process only together with the boot.
  bootId ??= read('/proc/sys/kernel/random/boot_id')?.toString('latin1').slice(0, 8) ?? 'unknown';
  return {
    pid,
    startedAt: `${field(22)}-${bootId}`,
    group: Number(field(5)),
    // When only the main thread has ended, the state is the same, but other threads go on.
    zombie: 'ZXx'.includes(field(3)) && Number(field(20)) <= 1,
    flags: Number(field(9)),
    program: field(26) === '0' ? undefined : `${field(26)}-${field(28)}`,
  };
}

/**
 * Reads the environment that a process was started with. The environment of other users' processes is unreadable, and no agent is
 * among those. In the middle of execve(2), which may take long on a busy host, a process shows no environment: the function waits for the
 * end of that.
 */
async function environmentOf(pid: number): Promise<Buffer | undefined> {
  const deadlineMs = performance.now() + maxExecutionMs;
  for (;;) {
    const before = inspect(pid);
    const environment = read(`/proc/${pid}/environ`);
    if (environment === undefined || environment.length > 0) return environment;
    if (!before || before.zombie || (before.flags & (flag.exiting | flag.kernelThread)) !== 0) return undefined;
    // The environment is that of one program, and not of the time between two.
    if (before.program !== undefined && inspect(pid)?.program === before.program) return undefined;
    if (performance.now() > deadlineMs) return undefined;
    await setTimeout(1);
  }
}

function marksIn(environment: Buffer | undefined): InstanceMarks {
  const instanceName = valueIn(environment, 'INSTANCE_NAME');
  const configFile = valueIn(environment, 'INSTANCE_CONFIG_FILE');
  return {
    ...(instanceName !== undefined && { instanceName }),
    ...(configFile !== undefined && { instanceFolder: dirname(configFile) }),
  };
}

function valueIn(environment: Buffer | undefined, variable: string): string | undefined {
  const entries = environment?.toString().split('\0') ?? [];
  return entries.find((entry) => entry.startsWith(`${variable}=`))?.slice(variable.length + 1);
}

function userOf(pid: number): { uid?: number } {
  const real = /^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)?.toString('latin1') ?? '')?.[1];
  return real === undefined ? {} : { uid: Number(real) };
}

/** Grows to the longest file. `readFileSync` would allocate 64 KiB for each file of /proc, which has no size. */
let buffer = Buffer.alloc(8_192);

function read(path: string): Buffer | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    for (let length = 0; ;) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      length += count;
      if (count === 0) return Buffer.from(buffer.subarray(0, length));
      if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
    }
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
