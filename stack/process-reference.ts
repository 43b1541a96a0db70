import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { z } from 'zod';

import { until } from './until.ts';

/** A process id with the moment it began, so that an id used again by another process is never taken for ours. */
export const processReference = z.object({ pid: z.int(), began: z.string() });
export type ProcessReference = z.infer<typeof processReference>;

/** Undefined when no such process lives (a zombie counts as gone). */
export function referenceProcess(pid: number): ProcessReference | undefined {
  const began = existsSync('/proc/self/stat') ? beganOnLinux(pid) : beganByPs(pid);
  return began === undefined ? undefined : { pid, began };
}

export function isRunning(reference: ProcessReference): boolean {
  return referenceProcess(reference.pid)?.began === reference.began;
}

export function writeReference(file: string, reference: ProcessReference): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(reference));
}

/** Undefined when the file is missing or was cut short by a crash. */
export function readReference(file: string): ProcessReference | undefined {
  try {
    return processReference.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Sends the signal, waits, and sends SIGKILL after `graceMs`. Resolves once the process is gone. */
export async function endProcess(
  reference: ProcessReference,
  { signal = 'SIGTERM', graceMs = 20_000 }: { signal?: NodeJS.Signals; graceMs?: number } = {},
): Promise<void> {
  signalIfRunning(reference, signal);
  const isGone = (): boolean => !isRunning(reference);
  if (await until(isGone, graceMs)) return;
  signalIfRunning(reference, 'SIGKILL');
  if (!(await until(isGone, 10_000))) {
    throw new Error(`Process ${reference.pid} could not be ended. End it by hand: kill -9 ${reference.pid}`);
  }
}

/** Ends what an earlier run recorded and left behind. */
export async function endRecorded(file: string, options: { signal?: NodeJS.Signals } = {}): Promise<void> {
  const reference = readReference(file);
  if (reference !== undefined) await endProcess(reference, options);
  rmSync(file, { force: true });
}

function signalIfRunning(reference: ProcessReference, signal: NodeJS.Signals): void {
  if (!isRunning(reference)) return;
  try {
    process.kill(reference.pid, signal);
  } catch (error) {
    if (isRunning(reference)) throw error;
  }
}

/** Start time in clock ticks since boot (proc_pid_stat(5), field 22), with the boot it belongs to. */
function beganOnLinux(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return fields[0] === 'Z' ? undefined : `${boot}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

function beganByPs(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    const [state = 'Z', ...began] = line.split(/\s+/);
    return state.startsWith('Z') ? undefined : began.join(' ');
  } catch {
    return undefined;
  }
}
