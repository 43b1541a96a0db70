import { errorCode } from './error-code.ts';
import type { MarkedProcess, ProcessIdentity } from './process-entry.ts';
import { inspectBySystemFiles, listBySystemFiles, readStatEntry } from './process-table-linux.ts';
import { inspectByPs, listByPs, readPsEntry } from './process-table-ps.ts';

const onLinux = process.platform === 'linux';
const inspect = onLinux ? inspectBySystemFiles : inspectByPs;
const scan = onLinux ? listBySystemFiles : listByPs;

/** The identity of a process that exists. It may have ended, if its parent has not collected the exit code yet. */
export function identify(pid: number): ProcessIdentity | undefined {
  const entry = inspect(pid);
  return entry && { pid, startedAt: entry.startedAt };
}

/** The identity of a process, from what a launcher has read about it. */
export function readIdentity(pid: number, entry: string): ProcessIdentity | undefined {
  const read = onLinux ? readStatEntry(pid, entry) : readPsEntry(pid, entry);
  return read && { pid, startedAt: read.startedAt };
}

export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  const entry = inspect(pid);
  return entry !== undefined && !entry.zombie && entry.startedAt === startedAt;
}

/** Far cheaper than `isAlive`, but also true for a zombie and for another process with the same pid. */
export function pidExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

let current: Promise<unknown> = Promise.resolve();
let upcoming: Promise<MarkedProcess[]> | undefined;

/**
 * Every living process of the host at some moment after the call. Callers that arrive during a scan share the next one, so
 * a thousand clean-ups at once do not cost a thousand scans.
 */
export function listProcesses(): Promise<MarkedProcess[]> {
  upcoming ??= scanAfter(current);
  return upcoming;
}

async function scanAfter(previous: Promise<unknown>): Promise<MarkedProcess[]> {
  await previous.catch(() => undefined);
  upcoming = undefined;
  const result = scan();
  current = result;
  return result;
}

/** Sends a signal to this process, and does nothing when it is gone. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): void {
  if (isAlive(target)) send(target.pid, signal);
}

/** Sends a signal to the process and the group that it leads, and does nothing when the process is gone. */
export function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): void {
  if (isAlive(leader)) send(-leader.pid, signal);
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
