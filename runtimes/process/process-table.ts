import { setTimeout } from 'node:timers/promises';
import { errorCode } from './error-code.ts';
import type { MarkedProcess, ProcessEntry, ProcessIdentity } from './process-entry.ts';
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

/** Undefined when there is no such process, or it has ended. */
export function inspectLiving(pid: number): ProcessEntry | undefined {
  const entry = inspect(pid);
  return entry?.zombie === false ? entry : undefined;
}

export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  return inspectLiving(pid)?.startedAt === startedAt;
}

/** Far cheaper than `isAlive`, but also true for a zombie and for another process with the same pid. */
export function pidExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

/**
 * Whether the process group has a process, also one that has ended and whose exit code was not collected. The number may belong to
 * another group by now.
 */
export function groupExists(group: number): boolean {
  return pidExists(-group);
}

/** The pause after a scan, in which ends that come one after the other meet for the next one. */
const scanPauseMs = 50;

let current: Promise<unknown> = Promise.resolve();
let upcoming: Promise<MarkedProcess[]> | undefined;
/** On the clock of `performance.now()`. */
let scannedAtMs = -Infinity;

/**
 * Every living process of the host at some moment after the call. Callers that arrive during a scan, or soon after it, share the next one,
 * so a thousand clean-ups at once do not cost a thousand scans.
 */
export function listProcesses(): Promise<MarkedProcess[]> {
  upcoming ??= scanAfter(current);
  return upcoming;
}

async function scanAfter(previous: Promise<unknown>): Promise<MarkedProcess[]> {
  await previous.catch(() => undefined);
  const pauseMs = scannedAtMs + scanPauseMs - performance.now();
  if (pauseMs > 0) await setTimeout(pauseMs);
  upcoming = undefined;
  const result = scan().finally(() => (scannedAtMs = performance.now()));
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

/**
 * Sends SIGKILL to a group of processes that have ended and are not collected, which keep its number.
 * @returns false when none of them keeps it, so that it may be the number of another group
 */
export function killRemainsOfGroup(group: number, members: readonly ProcessIdentity[]): boolean {
  const keepsNumber = ({ pid, startedAt }: ProcessIdentity): boolean => {
    const entry = inspect(pid);
    return entry?.zombie === true && entry.startedAt === startedAt && entry.group === group;
  };
  if (!members.some(keepsNumber)) return false;
  send(-group, 'SIGKILL');
  return true;
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
